/** A round's states, see `docs/federation.md`. */
export const ROUND_STATES = [
  'DRAFT',
  'SELECTING',
  'CONFIGURED',
  'COLLECTING',
  'AGGREGATING',
  'EVALUATING',
  'COMMITTED',
  'ABANDONED',
] as const;
export type RoundState = (typeof ROUND_STATES)[number];

/**
 * One device's part in a round. `REPORTED`: its update or evaluation was accepted. `REFUSED`: it came and was not
 * usable. `DECLINED`: the device said no. `SILENT`: the phase ended without it.
 */
export const PARTICIPANT_STATES = ['INVITED', 'WORKING', 'REPORTED', 'REFUSED', 'DECLINED', 'SILENT'] as const;
export type ParticipantState = (typeof PARTICIPANT_STATES)[number];

export const isEndedRound = (state: RoundState): boolean => state === 'COMMITTED' || state === 'ABANDONED';

/** What a device does in a round. Who evaluates does not train, so that nobody judges what it has learnt by heart. */
export const PARTS = ['train', 'evaluate'] as const;
export type Part = (typeof PARTS)[number];
