export { type Aggregate, Aggregation, AggregationError, type UpdateFigures } from './aggregate.ts';
export {
  type Answers,
  type Evaluation,
  type EvaluationReport,
  type Judgement,
  judgeEvaluation,
  reportProblem,
} from './evaluation.ts';
export {
  applyUpdate,
  decodeHead,
  encodeHead,
  HeadBytesError,
  type HeadShape,
  headSize,
  normOf,
  updateBetween,
} from './head-codec.ts';
export { type Answer, type AnswerRefusal, refuseAnswer } from './participation.ts';
export {
  type AbandonCode,
  AGGREGATE_SECONDS,
  commandRound,
  decideRound,
  minimumOf,
  type ParticipantCounts,
  type RoundCommand,
  RoundCommandRefusedError,
  type RoundDecision,
  type RoundSnapshot,
  trainersWanted,
} from './round.ts';
export { type RoundSpec, type RoundTraining, roundSpecSchema, trainingSchema } from './round-spec.ts';
export {
  isEndedRound,
  PARTICIPANT_STATES,
  PARTS,
  type Part,
  type ParticipantState,
  ROUND_STATES,
  type RoundState,
} from './states.ts';
export {
  type ArrivedUpdate,
  type CheckedUpdate,
  checkUpdate,
  LONGEST_NORM,
  MOST_SAMPLES,
  type RefusalCode,
} from './update-check.ts';
