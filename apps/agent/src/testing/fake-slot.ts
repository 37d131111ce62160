import type { AcceptanceReport } from '../inference/acceptance.ts';
import { WorkerLostError } from '../inference/errors.ts';
import type { Observation } from '../inference/serving.ts';
import type { FrameWitness } from '../inference/shadow-run.ts';
import type { StressFigures } from '../inference/stress.ts';
import type { WorkerHandle } from '../inference/worker-handle.ts';
import type { HeldRelease } from '../state/journal.ts';
import type { LoadedRelease } from '../update/serving-slot.ts';

/** How a release behaves on this device. */
export interface Manner {
  readonly failsToLoad?: string;
  readonly admission?: readonly string[];
  /** What its frames look like on probation. */
  readonly seen?: Partial<Observation>;
  /** Ends after it began to serve. */
  readonly diesServing?: boolean;
  /** What it says of every frame; `dark` where it is not said. */
  readonly says?: string;
  /** Ends at its first frame in shadow. */
  readonly diesInShadow?: boolean;
  /** Frames that come while it serves. None by default. */
  readonly frames?: number;
  /** What its process has in memory, in bytes. */
  readonly peak?: number;
  readonly stress?: Partial<StressFigures>;
}

const FINE: Observation = { frames: 100, errors: 0, lowConfidence: 0, labelled: 0, correct: 0, p95Ms: 10 };

/** Stands for the workers, which are other processes: remembers who was asked for what, and never lets two serve. */
export class FakeSlot {
  readonly calls: string[] = [];
  readonly lastLoss = 'signal SIGKILL';
  /** Of no worker. */
  readonly servesPid = process.pid;
  /** In words, why no second release can be loaded beside the one that serves; null: one can. */
  excludes: string | null = null;
  /** Called in the middle of a load, of an acceptance suite and before serving. */
  during: (moment: string) => void = () => undefined;
  /** Whether frames are left out of what is observed, over time. */
  readonly disturbances: boolean[] = [];
  #loaded: LoadedRelease | null = null;
  #ready: LoadedRelease | null = null;
  #admitted: string | null = null;
  readonly #manners: Readonly<Record<string, Manner>>;
  #witness: FrameWitness | null = null;

  /** @param manners by release name; what is not named behaves well */
  constructor(manners: Readonly<Record<string, Manner>> = {}) {
    this.#manners = manners;
  }

  get serves(): HeldRelease | null {
    return this.#loaded?.release ?? null;
  }

  get servesWith(): Pick<WorkerHandle, 'sidecarPid' | 'excludes'> | null {
    return this.serves === null ? null : { sidecarPid: null, excludes: this.excludes };
  }

  get loaded(): { readonly serves: LoadedRelease | null; readonly ready: LoadedRelease | null } {
    return { serves: this.#loaded, ready: this.#ready };
  }

  get admitted(): string | null {
    return this.#ready?.release.digest === this.#admitted ? this.#admitted : null;
  }

  get inUse(): readonly string[] {
    return [this.#loaded, this.#ready].filter((one) => one !== null).map(({ release }) => release.digest);
  }

  readonly disturbed = (isDisturbed: boolean): void => void this.disturbances.push(isDisturbed);

  /** Frames come one after the other until the witness hears of nothing any more. */
  readonly witness = (witness: FrameWitness | null): void => {
    this.#witness = witness;
    if (witness === null) return;
    this.during('shadow');
    void this.#play(witness, this.#mannerOf(this.serves).frames ?? 0);
  };

  /** What served has ended by itself. */
  lose(): void {
    this.#loaded = null;
  }

  readonly observe = (): Observation => ({ ...FINE, ...this.#mannerOf(this.serves).seen });

  async load(release: HeldRelease, folder: string): Promise<LoadedRelease> {
    await this.discard();
    this.calls.push(`load ${release.release}`);
    this.during('load');
    const { failsToLoad, admission = [], says = 'dark', diesInShadow, peak = 0, stress } = this.#mannerOf(release);
    if (failsToLoad !== undefined) throw new Error(failsToLoad);
    const report: AcceptanceReport = {
      passed: admission.length === 0,
      failures: admission.map((words) => ({ limit: 'accuracy', expected: 1, measured: 0, words })),
      figures: { samples: 1, golden: 0 },
    };
    const runAcceptance = async () => {
      this.during('acceptance');
      return report;
    };
    const worker = {
      provider: { requested: ['cpu'], effective: 'cpu', rejected: [] },
      runAcceptance,
      runStress: async () => {
        this.during('stress');
        return { frames: 100, failed: 0, p95Ms: 10, ...stress };
      },
      memory: () => ({ resident: peak, peak }),
      infer: async () => {
        if (diesInShadow === true)
          throw new WorkerLostError('worker-exited', 'the worker ended by itself (exit code 7)');
        return { label: says, confidence: 1, lowConfidence: false };
      },
    };
    this.#ready = { release, worker: worker as unknown as WorkerHandle, folder };
    return this.#ready;
  }

  admit(digest: string): void {
    this.#admitted = digest;
  }

  async promote(): Promise<void> {
    this.during('promote');
    if (this.#ready === null) return;
    this.#loaded = this.#ready;
    this.#ready = null;
    const { release } = this.#loaded;
    this.calls.push(`serve ${release.release}`);
    if (this.#mannerOf(release).diesServing === true) this.#loaded = null;
  }

  async discard(): Promise<void> {
    this.#ready = null;
    this.#admitted = null;
  }

  async clear(): Promise<void> {
    this.#loaded = null;
    this.calls.push('serve none');
  }

  async #play(witness: FrameWitness, frames: number): Promise<void> {
    const frame = { source: 'played', picture: { kind: 'encoded', bytes: new Uint8Array() } } as const;
    const { says = 'dark' } = this.#mannerOf(this.serves);
    for (let i = 0; i < frames && this.#witness === witness; i += 1) {
      witness.seen(frame, { label: says, confidence: 1, lowConfidence: false });
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #mannerOf(release: HeldRelease | null): Manner {
    return this.#manners[release?.release ?? ''] ?? {};
  }
}
