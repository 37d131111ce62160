export { CommandRefusedError, command, type RolloutCommand, tryAgain } from './commands.ts';
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
export { type ComparisonOutlook, comparisonOutlook } from './comparison-outlook.ts';
export { decide, type RolloutSnapshot, STOP_GRACE_SECONDS, type WaveSnapshot } from './decide.ts';
export type { Decision, Scope } from './decision.ts';
export { type Forecast, type ForecastQuestion, forecast } from './forecast.ts';
export { comparisonInWords, MOST_PAIRS } from './gates/compared-gates.ts';
export type { DeviceMeasurements, GateResult, WaveFacts } from './gates/wave-facts.ts';
export { type RateState, ratePerMinute, refill } from './rate.ts';
export { retryAfter } from './retry.ts';
export {
  factPathOf,
  matchesSelector,
  SELECTOR_ATTRIBUTES,
  type SelectableDevice,
  type Selector,
  type SelectorAttribute,
  type SelectorComparison,
  type SelectorKey,
} from './selector.ts';
export { parseSelector } from './selector-parser.ts';
export { SelectorError } from './selector-token.ts';
export { MEASURED_LATE_S } from './soak.ts';
export { spanWords } from './span-words.ts';
export { formatDuration, parseDuration } from './spec/duration.ts';
export { type ComparedMetric, comparisonOf, type Gate } from './spec/gate-spec.ts';
export { parseRolloutSpec, type RolloutSpec, RolloutSpecError, rolloutSpecSchema } from './spec/rollout-spec.ts';
export type { SpecProblem } from './spec/spec-problem.ts';
export type {
  RateSpec,
  RolloutMode,
  StrategySpec,
  WaveSpec,
} from './spec/strategy-spec.ts';
export { type UpdateWindow, updateWindowSchema, type WindowState, windowAt } from './spec/window-spec.ts';
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
export { BUCKETS, type PlannedWave, planControl, planWaves, rotateBucket, type Strata } from './wave-plan.ts';
