import type { RoundDetail } from '../../api/generated/index.ts';

type RoundState = RoundDetail['state'];

export interface Phase {
  readonly state: RoundState;
  readonly label: string;
  readonly meaning: string;
}

/** What a round goes through, in order. */
export const PHASES: readonly Phase[] = [
  { state: 'SELECTING', label: 'Selecting', meaning: 'devices with enough labelled samples are asked' },
  { state: 'CONFIGURED', label: 'Configured', meaning: 'who trains and who judges is decided' },
  { state: 'COLLECTING', label: 'Collecting', meaning: 'devices train, and send what changed' },
  { state: 'AGGREGATING', label: 'Aggregating', meaning: 'their updates become one' },
  { state: 'EVALUATING', label: 'Evaluating', meaning: 'devices that did not train judge it' },
  { state: 'COMMITTED', label: 'Committed', meaning: 'a candidate is ready for its publisher' },
];

export type PhaseStatus = 'done' | 'present' | 'to-come' | 'never';

/** The words of a round's history that say which state it came into. */
const reached = (round: Pick<RoundDetail, 'aggregate' | 'evaluation' | 'selected'>): number => {
  if (round.evaluation !== null) return 4;
  if (round.aggregate !== null) return 3;
  return round.selected > 0 ? 1 : 0;
};

/**
 * Where each phase of a round stands. An abandoned round does not say in which phase it ended; what it has is what it
 * surely came to.
 */
export const phaseStatuses = (
  round: Pick<RoundDetail, 'state' | 'aggregate' | 'evaluation' | 'selected'>,
): readonly PhaseStatus[] => {
  if (round.state === 'COMMITTED') return PHASES.map(() => 'done');
  if (round.state === 'ABANDONED') {
    const last = reached(round);
    return PHASES.map((_, index) => (index <= last ? 'done' : 'never'));
  }
  const present = PHASES.findIndex(({ state }) => state === round.state);
  return PHASES.map((_, index) => (index < present ? 'done' : index === present ? 'present' : 'to-come'));
};
