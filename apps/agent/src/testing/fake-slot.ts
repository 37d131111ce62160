import type { AcceptanceReport } from '../inference/acceptance.ts';
import type { Observation } from '../inference/serving.ts';
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
}

const FINE: Observation = { frames: 100, errors: 0, lowConfidence: 0, labelled: 0, correct: 0, p95Ms: 10 };

/** Stands for the workers, which are other processes: remembers who was asked for what, and never lets two serve. */
export class FakeSlot {
  readonly calls: string[] = [];
  readonly lastLoss = 'signal SIGKILL';
  serves: HeldRelease | null = null;
  /** Of no worker. */
  readonly servesPid = process.pid;
  /** Called in the middle of a load, of an acceptance suite and before serving. */
  during: (moment: string) => void = () => undefined;
  #ready: HeldRelease | null = null;
  #admitted: string | null = null;
  readonly #manners: Readonly<Record<string, Manner>>;

  /** @param manners by release name; what is not named behaves well */
  constructor(manners: Readonly<Record<string, Manner>> = {}) {
    this.#manners = manners;
  }

  get admitted(): string | null {
    return this.#ready?.digest === this.#admitted ? this.#admitted : null;
  }

  get inUse(): readonly string[] {
    return [this.serves, this.#ready].filter((one) => one !== null).map(({ digest }) => digest);
  }

  readonly observe = (): Observation => ({ ...FINE, ...this.#mannerOf(this.serves).seen });

  async load(release: HeldRelease): Promise<LoadedRelease> {
    await this.discard();
    this.calls.push(`load ${release.release}`);
    this.during('load');
    const { failsToLoad, admission = [] } = this.#mannerOf(release);
    if (failsToLoad !== undefined) throw new Error(failsToLoad);
    this.#ready = release;
    const report: AcceptanceReport = {
      passed: admission.length === 0,
      failures: admission.map((words) => ({ limit: 'accuracy', expected: 1, measured: 0, words })),
      figures: { samples: 1, golden: 0 },
    };
    const runAcceptance = async () => {
      this.during('acceptance');
      return report;
    };
    const worker = { provider: { requested: ['cpu'], effective: 'cpu', rejected: [] }, runAcceptance };
    return { release, worker: worker as unknown as WorkerHandle, folder: '' };
  }

  admit(digest: string): void {
    this.#admitted = digest;
  }

  async promote(): Promise<void> {
    this.during('promote');
    if (this.#ready === null) return;
    this.serves = this.#ready;
    this.#ready = null;
    this.calls.push(`serve ${this.serves.release}`);
    if (this.#mannerOf(this.serves).diesServing === true) this.serves = null;
  }

  async discard(): Promise<void> {
    this.#ready = null;
    this.#admitted = null;
  }

  async clear(): Promise<void> {
    this.serves = null;
    this.calls.push('serve none');
  }

  #mannerOf(release: HeldRelease | null): Manner {
    return this.#manners[release?.release ?? ''] ?? {};
  }
}
