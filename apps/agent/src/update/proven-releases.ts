import type { Logger } from 'pino';
import type { HeldRelease } from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { Admission } from './admission.ts';
import type { Decisions } from './decisions.ts';
import type { ReleaseBytes } from './release-bytes.ts';
import type { ServingSlot } from './serving-slot.ts';

export interface ProvenReleasesParts {
  readonly slot: Pick<ServingSlot, 'serves' | 'servesWith' | 'promote' | 'clear'>;
  readonly reporter: Pick<Reporter, 'event'>;
  readonly log: Logger;
}

/** Lets releases that have proven themselves here serve again, and remembers which of them could not. */
export class ProvenReleases {
  readonly #parts: ProvenReleasesParts;
  readonly #bytes: Pick<ReleaseBytes, 'openOrFetch' | 'tidy'>;
  readonly #admission: Pick<Admission, 'load'>;
  readonly #decisions: Pick<Decisions, 'deliver'>;
  readonly #unservable = new Set<string>();
  /** Of which that was said. */
  readonly #lamented = new Set<string>();

  constructor(
    parts: ProvenReleasesParts,
    bytes: Pick<ReleaseBytes, 'openOrFetch' | 'tidy'>,
    admission: Pick<Admission, 'load'>,
    decisions: Pick<Decisions, 'deliver'>,
  ) {
    this.#parts = parts;
    this.#bytes = bytes;
    this.#admission = admission;
    this.#decisions = decisions;
  }

  /** Digests of those that did not serve when they were to, since the agent started or they were assigned anew. */
  get unservable(): readonly string[] {
    return [...this.#unservable];
  }

  /** It was assigned anew, or serves: what was wrong with it before does not count. */
  forgive(digest: string): void {
    this.#unservable.delete(digest);
    this.#lamented.delete(digest);
  }

  /** It has proven itself: it may be planned with. */
  provenAnew(digest: string): void {
    this.#unservable.delete(digest);
  }

  /** What could not serve before may be planned with again. */
  tryAllAgain(): void {
    this.#unservable.clear();
  }

  /** @throws when it does not serve although it was tried before: with the first time something else may be planned */
  async serve(release: HeldRelease, signal: AbortSignal): Promise<void> {
    const { slot, reporter, log } = this.#parts;
    try {
      const folder = await this.#bytes.openOrFetch(release, signal);
      // What serves, and failed, holds the accelerator that this one needs.
      if ((slot.servesWith?.excludes ?? null) !== null) await slot.clear();
      await this.#admission.load(release, folder);
      await slot.promote();
      this.forgive(release.digest);
      log.info({ release: release.release }, 'serving');
    } catch (error) {
      if (signal.aborted) throw error;
      // A disk that takes no decision must not keep the device from what else it can serve.
      await this.#decisions.deliver(slot.serves).catch((reason: unknown) => log.warn({ err: reason }, 'not noted'));
      if (this.#unservable.has(release.digest)) throw error;
      this.#unservable.add(release.digest);
      if (!this.#lamented.has(release.digest)) {
        const words = `${release.release} cannot serve: ${error instanceof Error ? error.message : String(error)}`;
        await reporter.event('error', 'release-unservable', words);
        this.#lamented.add(release.digest);
      }
    }
    await this.#bytes.tidy();
  }
}
