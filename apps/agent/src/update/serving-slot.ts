import type { Logger } from 'pino';
import type { Serving } from '../inference/serving.ts';
import { startWorker, type WorkerHandle, type WorkerOptions } from '../inference/worker-handle.ts';
import type { HeldRelease } from '../state/journal.ts';

export interface LoadedRelease {
  readonly release: HeldRelease;
  readonly worker: WorkerHandle;
}

export interface SlotListener {
  /** Another release is about to serve, or none. */
  onSwitching(to: LoadedRelease | null): Promise<void>;
  /** It serves. */
  onServing(release: HeldRelease | null): Promise<void>;
  /** The worker that served has ended, and nobody asked it to. */
  onLost(release: HeldRelease, words: string): void;
}

/** Which release's worker serves, and which stands ready beside it. */
export class ServingSlot {
  readonly #serving: Serving;
  readonly #listener: SlotListener;
  readonly #program: Pick<WorkerOptions, 'workerPath' | 'execArgv'>;
  readonly #log: Logger;
  #serves: LoadedRelease | null = null;
  #ready: LoadedRelease | null = null;
  #admitted: string | null = null;
  #lastLoss = '';

  /** @param program where the worker's program is, when it is not beside this one */
  constructor(
    serving: Serving,
    listener: SlotListener,
    program: Pick<WorkerOptions, 'workerPath' | 'execArgv'>,
    log: Logger,
  ) {
    this.#serving = serving;
    this.#listener = listener;
    this.#program = program;
    this.#log = log;
  }

  get serves(): HeldRelease | null {
    return this.#serves?.release ?? null;
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
    const worker = await startWorker({
      archiveDirectory: folder,
      providers,
      ...this.#program,
      onLog: (line) => this.#log.debug({ release: release.release }, line),
    });
    const loaded = { release, worker };
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

  /** Lets what stands ready serve, or goes on with what serves; what served before ends after its last frame. */
  async promote(): Promise<void> {
    const next = this.#ready;
    const before = this.#serves;
    if (next !== null) {
      await this.#listener.onSwitching(next);
      this.#ready = null;
      this.#serves = next;
      await this.#serving.switchTo(next.worker);
      await this.#listener.onServing(next.release);
    }
    this.#serving.mark();
    if (next !== null) await before?.worker.stop();
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
    const serves = this.#serves;
    if (serves === null) return;
    await this.#listener.onSwitching(null);
    this.#serves = null;
    await this.#serving.switchTo(null);
    await this.#listener.onServing(null);
    await serves.worker.stop();
  }

  /** Ends all workers, without a word: the agent stops. */
  async stop(): Promise<void> {
    const workers = [this.#serves?.worker, this.#ready?.worker];
    this.#serves = null;
    this.#ready = null;
    await Promise.all(workers.map((worker) => worker?.stop()));
  }

  #lost(loaded: LoadedRelease, words: string): void {
    if (this.#ready === loaded) {
      this.#ready = null;
      this.#log.warn({ release: loaded.release.release }, words);
    } else if (this.#serves === loaded) {
      this.#serves = null;
      this.#lastLoss = words;
      void this.#listener.onSwitching(null).then(() => this.#listener.onServing(null));
      this.#listener.onLost(loaded.release, words);
    }
  }
}
