import type { Logger } from 'pino';
import type { Serving } from '../inference/serving.ts';
import type { AssignedRelease, Journal } from '../state/journal.ts';
import type { Admission } from './admission.ts';
import type { Decisions } from './decisions.ts';
import { judgeProbation } from './probation-judge.ts';
import type { ServingSlot } from './serving-slot.ts';
import { StepError } from './step-error.ts';

const LOOK_AGAIN_MS = 250;
/** A release during whose probation the agent itself went down so often is given up. */
const MOST_STARTS = 3;

export interface ProbationParts {
  readonly journal: Pick<Journal, 'state'>;
  readonly slot: Pick<ServingSlot, 'serves' | 'lastLoss' | 'promote'>;
  readonly serving: Pick<Serving, 'observe'>;
  /** Told while something that may take long goes on. */
  readonly onProgress: () => void;
  readonly log: Logger;
}

/** Lets an admitted release serve on probation, and watches what it does. */
export class ProbationWatch {
  readonly #parts: ProbationParts;
  readonly #admission: Pick<Admission, 'throwIfOutdated' | 'baselineP95Ms'>;
  readonly #decisions: Pick<Decisions, 'probationBegun'>;

  constructor(
    parts: ProbationParts,
    admission: Pick<Admission, 'throwIfOutdated' | 'baselineP95Ms'>,
    decisions: Pick<Decisions, 'probationBegun'>,
  ) {
    this.#parts = parts;
    this.#admission = admission;
    this.#decisions = decisions;
  }

  /**
   * Lets it serve in the place of what served, unless it is not wanted any more.
   * @param report tells that it does
   * @throws StepError when it does not, or its probation never came to an end
   */
  async begin(target: AssignedRelease, report: () => Promise<void>): Promise<void> {
    const { journal, slot, log } = this.#parts;
    this.#admission.throwIfOutdated(target);
    const starts = journal.state.candidate?.probationStarts ?? 0;
    if (starts >= MOST_STARTS) {
      const words = `its probation was begun ${starts} times and never came to an end: the worker or the agent went down`;
      throw new StepError('ROLLED_BACK', 'crash-loop', words);
    }
    if (!(await this.#decisions.probationBegun(target, this.#admission.baselineP95Ms(target)))) return;
    try {
      await slot.promote();
    } catch (error) {
      throw new StepError('ROLLED_BACK', 'worker-lost', error instanceof Error ? error.message : String(error));
    }
    await report();
    // What dies at its first frame is not tried again, as after a crash of the agent.
    this.#throwIfLost(target);
    log.info({ release: target.release }, 'serving on probation');
  }

  /**
   * Looks at it until it has proven itself.
   * @returns p95 of what it has answered, in milliseconds
   * @throws StepError when it has not; when the signal was given, what it says
   */
  async watch(target: AssignedRelease, signal: AbortSignal): Promise<number> {
    const { journal, serving, onProgress } = this.#parts;
    const startedAt = performance.now();
    for (;;) {
      signal.throwIfAborted();
      this.#throwIfLost(target);
      const { committed, committedP95Ms } = journal.state;
      const elapsedSeconds = (performance.now() - startedAt) / 1000;
      const before = committed === null ? null : committedP95Ms;
      const outcome = judgeProbation(target.probation, serving.observe(), before, elapsedSeconds);
      if (outcome.verdict === 'failed') throw new StepError('ROLLED_BACK', outcome.code, outcome.words);
      if (outcome.verdict === 'passed') return serving.observe().p95Ms;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      onProgress();
    }
  }

  #throwIfLost(target: AssignedRelease): void {
    const { serves, lastLoss } = this.#parts.slot;
    if (serves?.digest === target.digest) return;
    throw new StepError('ROLLED_BACK', 'worker-lost', `its worker ended on probation: ${lastLoss}`);
  }
}
