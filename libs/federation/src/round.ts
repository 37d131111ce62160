import { type Evaluation, type EvaluationReport, judgeEvaluation } from './evaluation.ts';
import type { RoundSpec } from './round-spec.ts';
import { isEndedRound, type Part, type ParticipantState, type RoundState } from './states.ts';

/** How long the sum may take before the round is given up. */
export const AGGREGATE_SECONDS = 600;

export type ParticipantCounts = Partial<Record<ParticipantState, number>>;

/** A round as the database has it at one moment. */
export interface RoundSnapshot {
  readonly state: RoundState;
  /** When the present phase ends whatever came, in milliseconds since 1970; null in DRAFT. */
  readonly deadlineAt: number | null;
  readonly spec: Pick<
    RoundSpec,
    'goal' | 'minimum' | 'overSelection' | 'evaluators' | 'selectFor' | 'collectFor' | 'evaluateFor' | 'margin'
  >;
  /** While SELECTING: ids of the devices that could take part now, in an order drawn by the caller. */
  readonly eligible: readonly string[];
  /** While SELECTING: why others could not, each reason with its number, e.g. `3 are offline`. */
  readonly ineligible: readonly string[];
  /** Participants by their state. */
  readonly trainers: ParticipantCounts;
  readonly evaluators: ParticipantCounts;
  /** The aggregate of the frozen updates is stored. */
  readonly aggregated: boolean;
  /** While EVALUATING: the accepted ones. */
  readonly reports: readonly EvaluationReport[];
}

export type AbandonCode =
  | 'not-enough-devices'
  | 'not-enough-updates'
  | 'not-aggregated'
  | 'not-evaluated'
  | 'not-better'
  | 'by-a-person';

/** What to do, as data; whoever applies a list of them does so in order and in one transaction. */
export type RoundDecision =
  /** Write down who takes part: participants, INVITED. Nobody is told yet. */
  | { readonly kind: 'select'; readonly train: readonly string[]; readonly evaluate: readonly string[] }
  /** Ring the devices of this part that have not ended. */
  | { readonly kind: 'invite'; readonly part: Part }
  /** End the participants of this part that have not answered: SILENT. What comes from them later is refused. */
  | { readonly kind: 'close-participants'; readonly part: Part; readonly words: string }
  | { readonly kind: 'move'; readonly state: RoundState; readonly deadlineAt: number; readonly words: string }
  /** Sum the updates of trainers that have REPORTED, and store the result; again after a crash, with the same digest. */
  | { readonly kind: 'aggregate' }
  | { readonly kind: 'record-evaluation'; readonly evaluation: Evaluation }
  /** The end: COMMITTED; nothing is published, the publisher builds a candidate from it. */
  | { readonly kind: 'commit'; readonly words: string }
  /** The end: ABANDONED. */
  | { readonly kind: 'abandon'; readonly code: AbandonCode; readonly words: string };

const move = (state: RoundState, deadlineAt: number, words: string): RoundDecision => ({
  kind: 'move',
  state,
  deadlineAt,
  words,
});

const close = (part: Part, words: string): RoundDecision => ({ kind: 'close-participants', part, words });

const abandon = (code: AbandonCode, words: string): RoundDecision[] => [
  close('train', 'the round was abandoned before it answered'),
  close('evaluate', 'the round was abandoned before it answered'),
  { kind: 'abandon', code, words },
];

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
const reported = (counts: ParticipantCounts): number => counts.REPORTED ?? 0;
const open = (counts: ParticipantCounts): number => (counts.INVITED ?? 0) + (counts.WORKING ?? 0);

/** Updates with which a late round is still worth it. */
export const minimumOf = ({ goal, minimum }: Pick<RoundSpec, 'goal' | 'minimum'>): number =>
  Math.min(goal, minimum ?? Math.ceil(goal / 2));

/** Devices asked to train when there are enough of them. */
export const trainersWanted = ({ goal, overSelection }: Pick<RoundSpec, 'goal' | 'overSelection'>): number =>
  // 10 × 1.1 is 11.000000000000002.
  Math.ceil(goal * overSelection - 1e-9);

/** A phase without a deadline would wait for ever; it counts as over. */
const isOver = ({ deadlineAt }: RoundSnapshot, now: number): boolean => now >= (deadlineAt ?? 0);

const select = (snapshot: RoundSnapshot, now: number): RoundDecision[] => {
  const { spec, eligible } = snapshot;
  const least = (isOver(snapshot, now) ? minimumOf(spec) : spec.goal) + spec.evaluators;
  if (eligible.length >= least) {
    const evaluate = eligible.slice(0, spec.evaluators);
    const train = eligible.slice(spec.evaluators, spec.evaluators + trainersWanted(spec));
    const words = `${counted(train.length, 'device')} to train, ${counted(evaluate.length, 'device')} kept back to evaluate`;
    // Collecting counts from here, so that a conductor that is away in between does not make the round longer.
    return [{ kind: 'select', train, evaluate }, move('CONFIGURED', now + spec.collectFor * 1000, words)];
  }
  if (!isOver(snapshot, now)) return [];
  const reasons = snapshot.ineligible.length === 0 ? '' : `: ${snapshot.ineligible.join(', ')}`;
  const split = `${minimumOf(spec)} to train and ${spec.evaluators} to evaluate`;
  return abandon(
    'not-enough-devices',
    `${eligible.length} of ${least} needed devices are eligible${reasons} (needed: ${split})`,
  );
};

const collect = (snapshot: RoundSnapshot, now: number): RoundDecision[] => {
  const { spec, trainers } = snapshot;
  const came = reported(trainers);
  const minimum = minimumOf(spec);
  const isDone = came >= spec.goal || isOver(snapshot, now) || open(trainers) === 0;
  if (!isDone && came + open(trainers) >= minimum) return [];
  const parts = [
    `${came} came`,
    ...(trainers.REFUSED === undefined ? [] : [`${trainers.REFUSED} were refused`]),
    ...(trainers.DECLINED === undefined ? [] : [`${trainers.DECLINED} declined`]),
    ...(open(trainers) === 0 ? [] : [`${open(trainers)} did not answer`]),
  ].join(', ');
  if (came < minimum) return abandon('not-enough-updates', `expected at least ${counted(minimum, 'update')}: ${parts}`);
  return [
    close('train', 'collecting ended before it answered'),
    move('AGGREGATING', now + AGGREGATE_SECONDS * 1000, `${counted(came, 'update')} to sum: ${parts}`),
  ];
};

const sum = (snapshot: RoundSnapshot, now: number): RoundDecision[] => {
  if (snapshot.aggregated) {
    const deadlineAt = now + snapshot.spec.evaluateFor * 1000;
    const words = `${counted(open(snapshot.evaluators), 'device')} that did not train compare candidate and base`;
    return [{ kind: 'invite', part: 'evaluate' }, move('EVALUATING', deadlineAt, words)];
  }
  if (!isOver(snapshot, now)) return [{ kind: 'aggregate' }];
  return abandon('not-aggregated', `the updates were not summed within ${AGGREGATE_SECONDS} s`);
};

const evaluate = (snapshot: RoundSnapshot, now: number): RoundDecision[] => {
  if (open(snapshot.evaluators) > 0 && !isOver(snapshot, now)) return [];
  if (snapshot.reports.length === 0) {
    return abandon('not-evaluated', 'no device has evaluated the candidate; what was not measured is not published');
  }
  const { passed, evaluation } = judgeEvaluation(snapshot.reports, snapshot.spec.margin);
  const record: RoundDecision = { kind: 'record-evaluation', evaluation };
  if (!passed) return [record, ...abandon('not-better', evaluation.words)];
  return [
    close('evaluate', 'evaluating ended before it answered'),
    record,
    { kind: 'commit', words: evaluation.words },
  ];
};

/**
 * What has to happen next with a round. Pure: the same snapshot and time give the same decisions, so that killing
 * whoever applies them, anywhere, changes nothing. Every phase has an absolute deadline and every deadline a way on, so
 * a round ends by the clock alone.
 * @param now milliseconds since 1970
 */
export const decideRound = (snapshot: RoundSnapshot, now: number): RoundDecision[] => {
  switch (snapshot.state) {
    case 'DRAFT': {
      const { goal, evaluators, selectFor } = snapshot.spec;
      const words = `waiting for ${counted(goal, 'device')} to train and ${evaluators} to evaluate`;
      return [move('SELECTING', now + selectFor * 1000, words)];
    }
    case 'SELECTING':
      return select(snapshot, now);
    case 'CONFIGURED': {
      const words = `waiting for ${counted(snapshot.spec.goal, 'update')} of ${counted(open(snapshot.trainers), 'device')}`;
      return [{ kind: 'invite', part: 'train' }, move('COLLECTING', snapshot.deadlineAt ?? now, words)];
    }
    case 'COLLECTING':
      return collect(snapshot, now);
    case 'AGGREGATING':
      return sum(snapshot, now);
    case 'EVALUATING':
      return evaluate(snapshot, now);
    case 'COMMITTED':
    case 'ABANDONED':
      return [];
  }
};

export type RoundCommand = 'abandon';

/** A person asked for something that the round's state does not allow. */
export class RoundCommandRefusedError extends Error {
  readonly code = 'round-command-refused';
}

/**
 * What a person's command does.
 * @throws RoundCommandRefusedError with what it would need
 */
export const commandRound = (snapshot: Pick<RoundSnapshot, 'state'>, asked: RoundCommand): RoundDecision[] => {
  if (isEndedRound(snapshot.state)) {
    throw new RoundCommandRefusedError(`Expected a round under way for ${asked}; this one is ${snapshot.state}.`);
  }
  return abandon('by-a-person', 'abandoned by a person');
};
