export {
  type ComparisonQuestion,
  type ComparisonResult,
  type ComparisonVerdict,
  compareWithControl,
} from './comparison/compare-with-control.ts';
export { ComparisonInputError } from './comparison/comparison-input-error.ts';
export { type DevicePair, type MeasuredChange, mostPairs, pairInOrder } from './comparison/pairing.ts';
export { type ComparisonScale, changeOf } from './comparison/scale.ts';
export { type SmallestHarm, type SmallestHarmQuestion, smallestHarm } from './comparison/smallest-harm.ts';
export { type LevelShare, splitLevel } from './comparison/split-level.ts';
export {
  CommandRefusedError,
  command,
  type Decision,
  decide,
  type RolloutCommand,
  type RolloutSnapshot,
  type Scope,
  STOP_GRACE_SECONDS,
  type WaveSnapshot,
} from './decide.ts';
export { formatDuration, parseDuration } from './duration.ts';
export { allEnded, type DeviceMeasurements, evaluateGate, type GateResult, type WaveFacts } from './gates.ts';
export {
  type Gate,
  parseRolloutSpec,
  type RolloutSpec,
  RolloutSpecError,
  rolloutSpecSchema,
  type WaveSpec,
} from './rollout-spec.ts';
export {
  matchesSelector,
  parseSelector,
  SELECTOR_ATTRIBUTES,
  type SelectableDevice,
  type Selector,
  type SelectorAttribute,
  SelectorError,
  type SelectorKey,
} from './selector.ts';
export type { SpecProblem } from './spec-problem.ts';
export {
  applyExecutionReport,
  EXECUTION_STATES,
  type ExecutionState,
  FAILURE_STATES,
  isEndedExecution,
  isEndedRollout,
  type ReportOutcome,
  ROLLOUT_STATES,
  type RolloutState,
  SUCCESS_STATES,
  WAVE_STATES,
  type WaveState,
} from './states.ts';
export { BUCKETS, type PlannedWave, planWaves, rotateBucket } from './wave-plan.ts';
