import type { Logger } from 'pino';
import type { Serving } from '../inference/serving.ts';
import { startWorker, type WorkerHandle } from '../inference/worker-handle.ts';
import type { HeldRelease } from '../state/journal.ts';

export interface LoadedRelease {
  readonly release: HeldRelease;
  readonly worker: WorkerHandle;
}

export interface SlotListener {
  /** Another release serves from now on, or none. */
  onServing(loaded: LoadedRelease | null): Promise<void>;
  /** A worker has ended that nobody asked to end. */
  onLost(release: HeldRelease, words: string): void;
}

/** Which release's worker serves, and which stands ready beside it. */
export class ServingSlot {
  private current: LoadedRelease | null = null;
  private ready: LoadedRelease | null = null;

  constructor(
    private readonly serving: Serving,
    private readonly listener: SlotListener,
    private readonly log: Logger,
  ) {}

  get serves(): LoadedRelease | null {
    return this.current;
  }

  get standsReady(): LoadedRelease | null {
    return this.ready;
  }

  /** Loads a release into a worker of its own, which does not serve yet. @throws WorkerStartError */
  async load(release: HeldRelease, folder: string, providers: readonly string[]): Promise<LoadedRelease> {
    await this.discard();
    const worker = await startWorker({
      archiveDirectory: folder,
      providers,
      onLog: (line) => this.log.debug({ release: release.release }, line),
    });
    const loaded = { release, worker };
    this.ready = loaded;
    void worker.exited.then(({ kind, words }) => {
      if (kind === 'stopped') return;
      if (this.ready === loaded) this.ready = null;
      if (this.current === loaded) {
        this.current = null;
        void this.listener.onServing(null);
      }
      this.listener.onLost(release, words);
    });
    return loaded;
  }

  /** Lets what stands ready serve; what served before ends after its last frame. @returns what served before */
  async promote(): Promise<HeldRelease | null> {
    const next = this.ready;
    if (next === null) return this.current?.release ?? null;
    const before = this.current;
    // What was counted so far belongs to the release before.
    await this.listener.onServing(next);
    this.ready = null;
    this.current = next;
    await this.serving.switchTo(next.worker);
    this.serving.mark();
    await before?.worker.stop();
    return before?.release ?? null;
  }

  /** Ends the worker that stands ready. */
  async discard(): Promise<void> {
    const { ready } = this;
    this.ready = null;
    await ready?.worker.stop();
  }

  /** Ends the worker that serves. */
  async stopServing(): Promise<void> {
    const { current } = this;
    if (current === null) return;
    await this.listener.onServing(null);
    this.current = null;
    await this.serving.switchTo(null);
    await current.worker.stop();
  }
}
