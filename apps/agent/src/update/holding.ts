import type { Consent, Journal } from '../state/journal.ts';
import { type Hold, holdOf } from './hold.ts';

/** Longest that an application may put an update off at once, in seconds. */
export const LONGEST_LATER_S = 86_400;

export type ConsentErrorCode = 'consent-not-asked' | 'update-other';

/** What an application has decided is not open to it. */
export class ConsentError extends Error {
  readonly code: ConsentErrorCode;

  constructor(code: ConsentErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What an application says to an update. */
export interface ConsentDecision {
  readonly decision: 'allow' | 'later';
  /** Of `later`: for how long. */
  readonly seconds?: number | undefined;
  /** The release that it was asked about; what else is assigned by now is not meant then. */
  readonly release?: string | undefined;
}

/** Whether the device may switch to what it is assigned, by its own clock and by what applications have said. */
export class Holding {
  readonly #journal: Pick<Journal, 'state' | 'update'>;
  readonly #zone: string | null;
  /** The execution that was asked about last, and since when, ms of the monotonic clock. */
  #known = { executionId: '', since: 0 };

  /** @param zone the device's time zone, of the IANA database; null: not known */
  constructor(journal: Pick<Journal, 'state' | 'update'>, zone: string | null) {
    this.#journal = journal;
    this.#zone = zone;
  }

  /** What keeps the device from switching at this moment; null when nothing does, or nothing is assigned. */
  get current(): Hold | null {
    const { candidate, timeFloor } = this.#journal.state;
    if (candidate === null) return null;
    const { executionId, terms } = candidate.release;
    if (this.#known.executionId !== executionId) this.#known = { executionId, since: performance.now() };
    const heldMs = performance.now() - this.#known.since;
    return holdOf(terms, candidate.consent, { now: Date.now(), floor: timeFloor, heldMs, zone: this.#zone });
  }

  /**
   * An application has decided. It is on disk when this resolves, and counts for this one execution.
   * @throws ConsentError; what the disk throws
   */
  async decide({ decision, seconds = 0, release }: ConsentDecision): Promise<void> {
    await this.#journal.update(({ candidate, timeFloor }) => {
      if (candidate?.release.terms?.mode !== 'soft' || candidate.stage === 'probation') {
        const words = 'Expected an update that asks for consent; none does at this moment. See GET /v1/update.';
        throw new ConsentError('consent-not-asked', words);
      }
      const offered = candidate.release.release;
      if (release !== undefined && release !== offered) {
        const words = `Expected a decision about ${offered}, got one about ${release}, which is not assigned any more.`;
        throw new ConsentError('update-other', words);
      }
      const until = Math.max(Date.now(), timeFloor) + seconds * 1000;
      const consent: Consent = decision === 'allow' ? { decision } : { decision, until };
      return { candidate: { ...candidate, consent } };
    });
  }
}
