import { isEndedRound, type Part, type ParticipantState, type RoundState } from './states.ts';

/** A device that answers, and the round it answers to. */
export interface Answer {
  /** `train`: it sends an update. `evaluate`: it sends an evaluation. */
  readonly to: Part;
  readonly round: { readonly state: RoundState; readonly deadlineAt: number | null };
  /** The device's part; undefined when it was not selected. */
  readonly participant: { readonly part: Part; readonly state: ParticipantState } | undefined;
}

export interface AnswerRefusal {
  readonly code: 'round-not-selected' | 'round-ended' | 'round-not-now' | 'round-answered';
  readonly words: string;
}

const PHASE: Readonly<Record<Part, RoundState>> = { train: 'COLLECTING', evaluate: 'EVALUATING' };
const NOUN: Readonly<Record<Part, string>> = { train: 'an update', evaluate: 'an evaluation' };

/**
 * Why a device's answer is not taken; undefined when it may be looked at. To be asked under the round's lock, so that
 * what is summed cannot change behind the sum. The same answer again has been recognised before this is asked.
 * @param now milliseconds since 1970
 */
export const refuseAnswer = ({ to, round, participant }: Answer, now: number): AnswerRefusal | undefined => {
  const noun = NOUN[to];
  if (participant === undefined || participant.part !== to) {
    const part = participant === undefined ? 'no part in it' : `another part in it (${participant.part})`;
    return { code: 'round-not-selected', words: `Expected ${noun} from a selected device; this one has ${part}.` };
  }
  if (isEndedRound(round.state)) {
    return {
      code: 'round-ended',
      words: `Expected ${noun} while the round is under way; it has ended (${round.state}).`,
    };
  }
  if (round.state !== PHASE[to]) {
    return { code: 'round-not-now', words: `Expected ${noun} while ${PHASE[to]}; the round is ${round.state}.` };
  }
  if (participant.state !== 'INVITED' && participant.state !== 'WORKING') {
    return {
      code: 'round-answered',
      words: `Expected one answer of each device; this one's part is ${participant.state}.`,
    };
  }
  if (now >= (round.deadlineAt ?? 0)) {
    return { code: 'round-not-now', words: `Expected ${noun} before the deadline; it has passed.` };
  }
  return undefined;
};
