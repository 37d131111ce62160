export { type RoundSpec, type RoundTraining, roundSpecSchema, trainingSchema } from './round-spec.ts';
export { isEndedRound, PARTICIPANT_STATES, type ParticipantState, ROUND_STATES, type RoundState } from './states.ts';
