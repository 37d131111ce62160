import type { Logger } from 'pino';
import type { Serving } from '../inference/serving.ts';
import type { WorkerHandle } from '../inference/worker-handle.ts';
import type { WorkerOptions } from '../inference/worker-process.ts';
import type { HeldRelease } from '../state/journal.ts';

export interface LoadedRelease {
  readonly release: HeldRelease;
  readonly worker: WorkerHandle;
  /** Its opened files. */
  readonly folder: string;
}

export interface SlotListener {
  /** Another release is about to serve, or none. */
  onSwitching(to: LoadedRelease | null): Promise<void>;
  /** It serves. */
  onServing(release: HeldRelease | null): Promise<void>;
  /** The worker that served has ended, and nobody asked it to. */
  onLost(release: HeldRelease, words: string): void;
}

/** Loads an opened release into a worker. @throws WorkerStartError */
export type StartWorker = (
  options: Pick<WorkerOptions, 'archiveDirectory' | 'providers' | 'onLog'>,
) => Promise<WorkerHandle>;

/** Which release's worker serves, and which stands ready beside it. */
export class ServingSlot {
  readonly #serving: Pick<Serving, 'switchTo' | 'mark'>;
  readonly #listener: SlotListener;
  readonly #startWorker: StartWorker;
  readonly #log: Logger;
  #serves: LoadedRelease | null = null;
  #ready: LoadedRelease | null = null;
  #admitted: string | null = null;
  #lastLoss = '';
  #stopped = false;
  /** Changes of what serves are made and told one after the other, so that what is told last is so. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    serving: Pick<Serving, 'switchTo' | 'mark'>,
    listener: SlotListener,
    startWorker: StartWorker,
    log: Logger,
  ) {
    this.#serving = serving;
    this.#listener = listener;
    this.#startWorker = startWorker;
    this.#log = log;
  }

  get serves(): HeldRelease | null {
    return this.#serves?.release ?? null;
  }

  /** What serves, and what stands ready. */
  get loaded(): { readonly serves: LoadedRelease | null; readonly ready: LoadedRelease | null } {
    return { serves: this.#serves, ready: this.#ready };
  }

  /** Of the worker that serves. */
  get servesPid(): number | null {
    return this.#serves?.worker.pid ?? null;
  }

  /** Of the worker that serves, as far as a sidecar is a part of it. */
  get servesWith(): Pick<WorkerHandle, 'sidecarPid' | 'excludes'> | null {
    return this.#serves?.worker ?? null;
  }

  /** Digest of the release that stands ready and has passed admission. */
  get admitted(): string | null {
    return this.#ready?.release.digest === this.#admitted ? this.#admitted : null;
  }

  /** Digests of the releases whose plain files are in use. */
  get inUse(): readonly string[] {
    return [this.#serves, this.#ready].filter((loaded) => loaded !== null).map(({ release }) => release.digest);
  }

  /** Why the last worker that was lost has ended. */
  get lastLoss(): string {
    return this.#lastLoss;
  }

  /** Loads a release into a worker of its own, which stands ready and does not serve yet. @throws WorkerStartError */
  async load(release: HeldRelease, folder: string, providers: readonly string[]): Promise<LoadedRelease> {
    await this.discard();
    const worker = await this.#startWorker({
      archiveDirectory: folder,
      providers,
      onLog: (line) => this.#log.debug({ release: release.release }, line),
    });
    if (this.#stopped) {
      await worker.stop();
      throw new Error('the agent stops');
    }
    const loaded = { release, worker, folder };
    this.#ready = loaded;
    void worker.exited.then(({ kind, words }) => {
      if (kind !== 'stopped') this.#lost(loaded, words);
    });
    return loaded;
  }

  /** What stands ready has passed its acceptance suite. */
  admit(digest: string): void {
    this.#admitted = digest;
  }

  /**
   * Lets what stands ready serve, or goes on with what serves; what served before ends after its last frame.
   * @throws when the worker that was to serve has just ended
   */
  async promote(): Promise<void> {
    const next = this.#ready;
    if (next !== null) {
      const before = await this.#inTurn(() => this.#exchange(next));
      await before?.worker.stop();
    }
    this.#serving.mark();
  }

  /** Ends the worker that stands ready. */
  async discard(): Promise<void> {
    const ready = this.#ready;
    this.#ready = null;
    this.#admitted = null;
    await ready?.worker.stop();
  }

  /** Ends the worker that serves; nothing does then. */
  async clear(): Promise<void> {
    if (this.#serves === null) return;
    const before = await this.#inTurn(() => this.#exchange(null));
    await before?.worker.stop();
  }

  /** Ends all workers, without a word: the agent stops. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const workers = [this.#serves?.worker, this.#ready?.worker];
    this.#serves = null;
    this.#ready = null;
    await Promise.all(workers.map((worker) => worker?.stop()));
  }

  /** @returns what served before */
  async #exchange(next: LoadedRelease | null): Promise<LoadedRelease | null> {
    await this.#listener.onSwitching(next);
    // Its worker may have ended just now: then nobody would notice that it does not serve.
    const isGone = next !== null && this.#ready !== next;
    const before = this.#serves;
    if (isGone) {
      await this.#listener.onSwitching(before);
      throw new Error(`the worker of ${next.release.release} ended before it could serve: ${this.#lastLoss}`);
    }
    if (next !== null) this.#ready = null;
    this.#serves = next;
    await this.#serving.switchTo(next?.worker ?? null);
    await this.#listener.onServing(next?.release ?? null);
    return before;
  }

  #lost(loaded: LoadedRelease, words: string): void {
    if (this.#ready === loaded) {
      this.#ready = null;
      this.#lastLoss = words;
      this.#log.warn({ release: loaded.release.release }, words);
    } else if (this.#serves === loaded) {
      this.#serves = null;
      this.#lastLoss = words;
      void this.#tellOfNothing();
      this.#listener.onLost(loaded.release, words);
    }
  }

  async #tellOfNothing(): Promise<void> {
    try {
      await this.#inTurn(async () => {
        if (this.#serves !== null || this.#stopped) return;
        await this.#listener.onSwitching(null);
        await this.#listener.onServing(null);
      });
    } catch (error) {
      this.#log.warn({ err: error }, 'that nothing serves could not be told');
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
