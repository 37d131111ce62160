import type { ShadowReport } from '@aviary/protocol';
import { type ReleaseManifest, type ShadowTerms, splitReleaseName } from '@aviary/release';
import type { Serving } from '../inference/serving.ts';
import { ShadowRun } from '../inference/shadow-run.ts';
import type { AssignedRelease } from '../state/journal.ts';
import { manifestIn } from './opened-manifest.ts';
import type { LoadedRelease, ServingSlot } from './serving-slot.ts';
import { judgeShadow, notShadowed } from './shadow-judge.ts';
import { StepError } from './step-error.ts';
import { waitAtMost } from './wait-at-most.ts';

const LOOK_MS = 250;
/** Raw numbers of a release that says nothing of how far its own may differ between boards. */
const RAW_TOLERANCE = 1e-3;

export interface ShadowingParts {
  readonly slot: Pick<ServingSlot, 'serves' | 'loaded' | 'lastLoss'>;
  readonly serving: Pick<Serving, 'witness' | 'disturbed'>;
  /** Told while something that may take long goes on. */
  readonly onProgress: () => void;
}

export interface ShadowingOptions {
  /** What served has made room for it. */
  readonly isAlone: boolean;
  /** Says that it begins. */
  readonly tell: (words: string) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Lets an admitted release run beside the one that serves, on the same frames, and judges how far they agree. */
export class Shadowing {
  readonly #parts: ShadowingParts;

  constructor(parts: ShadowingParts) {
    this.#parts = parts;
  }

  /**
   * Takes as long as the terms allow, and ends by time where no frames come. It ends early when what serves ends: then
   * something else has to be done first, and what was seen by then is judged.
   * @throws StepError when the candidate dies; the signal's reason
   */
  async run(target: AssignedRelease, terms: ShadowTerms, options: ShadowingOptions): Promise<ShadowReport> {
    const { serves, ready } = this.#parts.slot.loaded;
    if (options.isAlone)
      return notShadowed(`what served had to end for ${target.release}: both do not fit into memory`);
    if (serves === null) return notShadowed('nothing served that it could be compared with');
    if (ready?.release.digest !== target.digest) throw lost(this.#parts.slot.lastLoss);
    const [mine, theirs] = await Promise.all([manifestIn(ready.folder), manifestIn(serves.folder)]);
    const unlike = unlikenessOf(mine, theirs);
    if (unlike !== undefined) return notShadowed(unlike);
    await options.tell(`runs in shadow of ${serves.release.release}, for at most ${terms.seconds} s`);
    const run = new ShadowRun(ready.worker, {
      task: mine.task,
      tolerance: mine.acceptance.limits.goldenTolerance ?? RAW_TOLERANCE,
      every: terms.every,
      frames: terms.frames ?? Number.POSITIVE_INFINITY,
    });
    const { serving } = this.#parts;
    const startedAt = performance.now();
    let endedEarly: string | undefined;
    serving.disturbed(true);
    try {
      serving.witness(run);
      endedEarly = await this.#watch(run, ready, serves, terms.seconds * 1000, options.signal);
    } finally {
      run.end();
      serving.witness(null);
      serving.disturbed(false);
    }
    const seconds = (performance.now() - startedAt) / 1000;
    return judgeShadow(terms, { tally: run.tally, against: serves.release.release, seconds, endedEarly });
  }

  /** @returns why it ended before its time; undefined: it did not */
  async #watch(
    run: ShadowRun,
    ready: LoadedRelease,
    serves: LoadedRelease,
    mostMs: number,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const endsAt = performance.now() + mostMs;
    let isOver = false;
    const over = run.over.then(
      () => {
        isOver = true;
      },
      (error: unknown) => {
        throw lost(error instanceof Error ? error.message : String(error));
      },
    );
    while (!isOver) {
      const leftMs = endsAt - performance.now();
      if (leftMs <= 0) return undefined;
      await waitAtMost(over, Math.min(LOOK_MS, leftMs));
      this.#parts.onProgress();
      signal.throwIfAborted();
      const { loaded, lastLoss } = this.#parts.slot;
      if (loaded.ready !== ready) throw lost(lastLoss);
      if (loaded.serves !== serves) return `${serves.release.release} does not serve any more`;
    }
    return undefined;
  }
}

const lost = (why: string): StepError => new StepError('FAILED', 'worker-lost', `its worker ended in shadow: ${why}`);

/** Why two releases' answers cannot be compared; undefined: they can. */
const unlikenessOf = (candidate: ReleaseManifest, serving: ReleaseManifest): string | undefined => {
  const [mine, theirs] = [candidate, serving].map(({ release }) => splitReleaseName(release).model);
  if (mine !== theirs) return `${serving.release} served, which is of another model`;
  if (candidate.task === serving.task) return undefined;
  return `${serving.release} is of task ${serving.task}, and ${candidate.release} of ${candidate.task}`;
};
