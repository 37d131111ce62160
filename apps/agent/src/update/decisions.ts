import type { ShadowReport } from '@aviary/protocol';
import {
  type AssignedRelease,
  type HeldRelease,
  type Journal,
  type JournalState,
  withOutcome,
} from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { StepError } from './step-error.ts';

type Change = Exclude<ReturnType<Parameters<Journal['update']>[0]>, undefined>;

/**
 * What was decided of a target, each one write to the journal together with the notice of it, so that neither is lost
 * by a crash between them. A decision about a target that is not wanted any more, because another was assigned
 * meanwhile, changes nothing.
 */
export class Decisions {
  readonly #journal: Pick<Journal, 'state' | 'update'>;
  readonly #reporter: Pick<Reporter, 'execution'>;
  /** Notices that the spool has, but that the disk did not let the journal forget. */
  readonly #told = new Set<string>();

  constructor(journal: Pick<Journal, 'state' | 'update'>, reporter: Pick<Reporter, 'execution'>) {
    this.#journal = journal;
    this.#reporter = reporter;
  }

  /** Its sealed bytes are here. @returns whether it is still wanted */
  fetched(target: AssignedRelease): Promise<boolean> {
    return this.#about(target, ({ timeFloor }, candidate) => ({
      candidate: { ...candidate, stage: 'fetched', fetchedAt: Math.max(Date.now(), timeFloor) },
    }));
  }

  /** It was only to be fetched, and opens here. @returns whether it is still wanted */
  staged(target: AssignedRelease): Promise<boolean> {
    return this.#about(target, (state) => ({
      staged: heldPartOf(target),
      ...withOutcome(state, { executionId: target.executionId, state: 'STAGED' }),
    }));
  }

  /** It is put under stress. @returns whether it is still wanted */
  stressBegun(target: AssignedRelease): Promise<boolean> {
    return this.#about(target, (_, candidate) => ({
      candidate: { ...candidate, stressStarts: (candidate.stressStarts ?? 0) + 1 },
    }));
  }

  /** The stress is over, whatever came of it, and the device lives. @returns whether it is still wanted */
  stressEnded(target: AssignedRelease): Promise<boolean> {
    return this.#about(target, (_, candidate) => ({ candidate: { ...candidate, stressStarts: 0 } }));
  }

  /** It has run in shadow, or could not, and may go on. @returns whether it is still wanted */
  shadowed(target: AssignedRelease, shadow: ShadowReport): Promise<boolean> {
    return this.#about(target, (_, candidate) => ({ candidate: { ...candidate, shadow } }));
  }

  /**
   * Its probation begins.
   * @param committedP95Ms of the committed release, when it was measured until now
   * @returns whether it is still wanted
   */
  probationBegun(target: AssignedRelease, committedP95Ms: number | undefined): Promise<boolean> {
    return this.#about(target, (_, candidate) => ({
      candidate: { ...candidate, stage: 'probation', probationStarts: candidate.probationStarts + 1 },
      ...(committedP95Ms === undefined ? {} : { committedP95Ms }),
    }));
  }

  /** It has proven itself. @returns whether it was still wanted */
  committed(target: AssignedRelease, p95Ms: number): Promise<boolean> {
    const { executionId } = target;
    const held = heldPartOf(target);
    return this.#about(target, (state, { shadow }) => ({
      committed: held,
      previous: bestOther(state, held),
      staged: stagedBut(target, state),
      committedP95Ms: p95Ms > 0 ? p95Ms : null,
      rollbackFloor: Math.max(state.rollbackFloor, held.rollbackFloor),
      ...withOutcome(state, { executionId, state: 'SUCCEEDED', ...(shadow === undefined ? {} : { shadow }) }),
    }));
  }

  /** It is what was proven here before. */
  confirmed(target: AssignedRelease): Promise<boolean> {
    const { executionId, terms } = target;
    // Who was only to fetch it has not been brought to it by this execution, and is not to be brought back either.
    const end = terms?.mode === 'download-only' ? 'ALREADY_INSTALLED' : 'SUCCEEDED';
    return this.#about(target, (state) => withOutcome(state, { executionId, state: end }));
  }

  /** It is not to be, and never again by the same execution. */
  givenUp(target: AssignedRelease, error: StepError): Promise<boolean> {
    const { executionId } = target;
    const { code, message } = error;
    return this.#about(target, (state, candidate) => {
      // Where nothing was committed before there is nothing to roll back to.
      const end = error.state === 'ROLLED_BACK' && state.committed === null ? 'FAILED' : error.state;
      const shadow = error.shadow ?? candidate.shadow;
      const notice = {
        executionId,
        state: end,
        reason: { code, message },
        ...(shadow === undefined ? {} : { shadow }),
      };
      const outcome = withOutcome(state, notice);
      return { ...outcome, staged: stagedBut(target, state) };
    });
  }

  /** Its workers keep dying: something else is to serve, now and after a restart. */
  async quarantined({ digest }: HeldRelease): Promise<void> {
    await this.#journal.update(({ quarantined }) =>
      quarantined.includes(digest) ? undefined : { quarantined: [...quarantined, digest] },
    );
  }

  /** Tells how executions ended, with what is running now, and forgets it once the spool has it. */
  async deliver(running: HeldRelease | null): Promise<void> {
    for (const notice of this.#journal.state.notices) {
      const { executionId } = notice;
      if (!this.#told.has(executionId)) {
        await this.#reporter.execution({ ...notice, ...(running === null ? {} : { digest: running.digest }) });
        this.#told.add(executionId);
      }
      await this.#journal.update(({ notices }) => ({
        notices: notices.filter((one) => one.executionId !== executionId),
      }));
      this.#told.delete(executionId);
    }
  }

  #about(
    { executionId }: AssignedRelease,
    decide: (state: Readonly<JournalState>, candidate: NonNullable<JournalState['candidate']>) => Change,
  ): Promise<boolean> {
    return this.#journal.update((state) =>
      state.candidate?.release.executionId === executionId ? decide(state, state.candidate) : undefined,
    );
  }
}

const heldPartOf = ({ executionId: _, probation: __, terms: ___, ...held }: AssignedRelease): HeldRelease => held;

/** What is staged, unless that is what was decided about now. */
const stagedBut = ({ digest }: HeldRelease, { staged }: Readonly<JournalState>): HeldRelease | null =>
  staged?.digest === digest ? null : staged;

/** What to go back to: the release that is replaced, unless its workers kept dying and the one before it is there. */
const bestOther = ({ committed, previous, quarantined }: Readonly<JournalState>, held: HeldRelease) => {
  const others = [committed, previous].filter((one) => one !== null && one.digest !== held.digest);
  return others.find((one) => one !== null && !quarantined.includes(one.digest)) ?? others[0] ?? null;
};
