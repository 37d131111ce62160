import type { ExecutionRecord } from '@aviary/protocol';
import type { AcceptanceLimits, ReleaseManifest } from '@aviary/release';
import type { AcceptanceFailure } from '../inference/acceptance.ts';
import type { Serving } from '../inference/serving.ts';
import type { EffectiveProvider } from '../inference/worker-handle.ts';
import type { AssignedRelease, HeldRelease, Journal } from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { Decisions } from './decisions.ts';
import type { MemoryPreflight } from './memory-preflight.ts';
import { manifestIn } from './opened-manifest.ts';
import type { ReleaseBytes } from './release-bytes.ts';
import type { ReleaseStore } from './release-store.ts';
import type { LoadedRelease, ServingSlot } from './serving-slot.ts';
import { StepError } from './step-error.ts';
import { ServingLostError, Trial, type TrialParts } from './trial.ts';

/** A p95 of fewer frames is no measure for the next release. */
const FRAMES_FOR_P95 = 20;
/** A release that took the board or the agent down so often under stress is given up. */
const MOST_STRESS_STARTS = 3;

export interface AdmissionParts extends TrialParts {
  readonly journal: Pick<Journal, 'state'>;
  readonly store: Pick<ReleaseStore, 'open'>;
  readonly slot: Pick<ServingSlot, 'serves' | 'servesPid' | 'servesWith' | 'load' | 'admit' | 'discard' | 'clear'>;
  readonly serving: Pick<Serving, 'observe' | 'disturbed'>;
  readonly memory: Pick<MemoryPreflight, 'shortage'>;
  /** Execution providers of ONNX Runtime on this board, best first. */
  readonly providers: readonly string[];
  readonly reporter: Pick<Reporter, 'event'>;
}

/** Lets a release prove itself on this device before it serves. */
export class Admission {
  readonly #parts: AdmissionParts;
  readonly #bytes: Pick<ReleaseBytes, 'tidy'>;
  readonly #decisions: Pick<Decisions, 'stressBegun' | 'stressEnded'>;
  readonly #trial: Trial;
  #alone: { readonly digest: string; readonly p95Ms: number | undefined } | null = null;

  constructor(
    parts: AdmissionParts,
    bytes: Pick<ReleaseBytes, 'tidy'>,
    decisions: Pick<Decisions, 'stressBegun' | 'stressEnded'>,
  ) {
    this.#parts = parts;
    this.#bytes = bytes;
    this.#decisions = decisions;
    this.#trial = new Trial(parts);
  }

  /** Digest of the release for which what served has ended, since both do not fit into memory; null: there is none. */
  get alone(): string | null {
    return this.#alone?.digest ?? null;
  }

  /** What was to prove itself has, or has not: what serves next serves beside others again. */
  over(): void {
    this.#alone = null;
  }

  /**
   * What "several times slower" is compared with: p95 of the committed release until this very moment, or until it made
   * room. Milliseconds; undefined where too little was seen.
   */
  baselineP95Ms(target: AssignedRelease): number | undefined {
    return this.#alone?.digest === target.digest ? this.#alone.p95Ms : this.#servingP95Ms();
  }

  /**
   * Opens and verifies a release, loads it, and tries it as its manifest asks.
   * @param report tells how far it is
   * @throws StepError when it is not to serve here
   */
  async admit(
    target: AssignedRelease,
    signal: AbortSignal,
    report: (state: ExecutionRecord['state']) => Promise<void>,
  ): Promise<void> {
    const { store, slot, serving } = this.#parts;
    this.throwIfOutdated(target);
    await this.#makeRoom(target);
    const folder = await store.open(target);
    await report('VERIFIED');
    await report('INSTALLING');
    signal.throwIfAborted();
    const { limits } = await this.#manifestIn(folder);
    if (limits.stressSeconds !== undefined) await this.#beginStress(target);
    let failures: readonly AcceptanceFailure[];
    serving.disturbed(true);
    try {
      failures = await this.#try(target, folder, limits, signal);
    } finally {
      serving.disturbed(false);
      if (limits.stressSeconds !== undefined) await this.#decisions.stressEnded(target);
    }
    if (failures.length > 0) {
      const words = failures.map((failure) => failure.words).join('; ');
      throw new StepError('FAILED', 'admission', `the acceptance suite did not pass on this device: ${words}`);
    }
    slot.admit(target.digest);
  }

  /** @returns the limits that it missed @throws StepError when it does not run here; what means that nothing was found out */
  async #try(
    target: AssignedRelease,
    folder: string,
    limits: AcceptanceLimits,
    signal: AbortSignal,
  ): Promise<readonly AcceptanceFailure[]> {
    try {
      const { worker } = await this.load(target, folder);
      signal.throwIfAborted();
      return await this.#trial.run(worker, limits, signal);
    } catch (error) {
      if (!signal.aborted && !(error instanceof ServingLostError)) throw doesNotRun(error);
      // Nobody waits for what it is at.
      await this.#parts.slot.discard();
      throw error;
    }
  }

  async #manifestIn(folder: string): Promise<ReleaseManifest['acceptance']> {
    try {
      return (await manifestIn(folder)).acceptance;
    } catch (error) {
      throw doesNotRun(error);
    }
  }

  /** A board with a weak supply goes down under load, and would do so after each start. */
  async #beginStress(target: AssignedRelease): Promise<void> {
    const starts = this.#parts.journal.state.candidate?.stressStarts ?? 0;
    if (starts >= MOST_STRESS_STARTS) {
      const words = `its stress was begun ${starts} times and never came to an end: the board or the agent went down`;
      throw new StepError('FAILED', 'crash-loop', words);
    }
    await this.#decisions.stressBegun(target);
  }

  /** Loads an opened release into a worker that stands ready. @throws WorkerStartError */
  async load(release: HeldRelease, folder: string): Promise<LoadedRelease> {
    const loaded = await this.#parts.slot.load(release, folder, this.#parts.providers);
    await this.#sayFallback(release, loaded.worker.provider);
    return loaded;
  }

  /** What allows it has expired; it goes on once something newer allows it. */
  throwIfOutdated({ release }: AssignedRelease): void {
    const { candidate, timeFloor } = this.#parts.journal.state;
    if (candidate === null || Math.max(Date.now(), timeFloor) < candidate.allowedUntil) return;
    const until = new Date(candidate.allowedUntil).toISOString();
    throw new Error(`the metadata that allows ${release} expired at ${until}; newer metadata is waited for`);
  }

  /** Where both do not fit into memory, or onto the accelerator, what serves ends first. It serves again when the other one is not admitted. */
  async #makeRoom(target: AssignedRelease): Promise<void> {
    const { slot, memory, reporter } = this.#parts;
    const { serves: release, servesPid: pid, servesWith } = slot;
    if (release === null || pid === null) return;
    const sidecarPid = servesWith?.sidecarPid ?? null;
    const shortage = servesWith?.excludes ?? memory.shortage(target, { release, pid, sidecarPid });
    if (shortage === undefined) return;
    this.#alone = { digest: target.digest, p95Ms: this.#servingP95Ms() };
    const words = `${release.release} stops until ${target.release} has proven itself: ${shortage}`;
    await reporter.event('info', 'serving-paused', words);
    await slot.clear();
    await this.#bytes.tidy();
  }

  #servingP95Ms(): number | undefined {
    const { journal, slot, serving } = this.#parts;
    const { committed } = journal.state;
    const { frames, p95Ms } = serving.observe();
    const isMeasured = committed !== null && slot.serves?.digest === committed.digest && frames >= FRAMES_FOR_P95;
    return isMeasured ? p95Ms : undefined;
  }

  async #sayFallback(release: HeldRelease, { requested, effective, rejected }: EffectiveProvider): Promise<void> {
    if (requested[0] === undefined || requested[0] === effective) return;
    const reasons = rejected.map(({ provider, reason }) => `${provider}: ${reason}`).join('; ');
    const words = `${release.release} asked for ${requested.join(', ')} and runs on ${effective}. ${reasons}`;
    await this.#parts.reporter.event('warning', 'provider-fallback', words);
  }
}

const doesNotRun = (error: unknown): StepError =>
  new StepError('FAILED', 'admission-did-not-run', `the release does not run here: ${messageOf(error)}`);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
