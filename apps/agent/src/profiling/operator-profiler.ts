import { mkdir, rm } from 'node:fs/promises';
import { deviceRoutes, type OperatorProfile, type OperatorProfileTask, type ProfileRefusal } from '@aviary/protocol';
import type { Logger } from 'pino';
import type { ReleaseProfile } from '../inference/release-profile.ts';
import type { DeviceApi } from '../link/device-api.ts';
import { askedTask, BrokenOffError, DeviceErrand } from '../link/device-errand.ts';
import type { Journal } from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { MemoryPreflight } from '../update/memory-preflight.ts';
import type { LoadedRelease } from '../update/serving-slot.ts';
import { refusalOf } from './profile-check.ts';

/** Between two profiles the board is left to what serves, whoever asks. */
const REST_MS = 15_000;
/** Requests that were answered: until the answer is stored they are asked for again. */
const REMEMBERED = 16;

export interface ProfilerParts {
  readonly api: Pick<DeviceApi, 'call'>;
  readonly journal: Pick<Journal, 'state'>;
  readonly memory: Pick<MemoryPreflight, 'shortageForTwin'>;
  readonly reporter: Pick<Reporter, 'operatorProfile'>;
  /** Measures a release that lies opened in a folder, see `profileRelease`. */
  readonly profile: (
    where: { readonly archiveDirectory: string; readonly providers: readonly string[]; readonly profileFolder: string },
    frames: number,
    signal: AbortSignal,
  ) => Promise<ReleaseProfile>;
  /** Made for each profile, and removed after it: in memory, since traces name the parts of a model. */
  readonly folder: string;
  readonly log: Logger;
}

/**
 * Measures what each operator of the release that serves costs, when somebody asks for it: in a second process, so that
 * what serves is slowed by no more than that the two share a board, and nothing of it is counted as frames.
 */
export class OperatorProfiler {
  readonly #parts: ProfilerParts;
  readonly #errand: DeviceErrand;
  readonly #answered: string[] = [];
  #serves: LoadedRelease | null = null;
  #restUntil = Number.NEGATIVE_INFINITY;

  constructor(parts: ProfilerParts) {
    this.#parts = parts;
    this.#errand = new DeviceErrand({
      run: (signal) => this.#lookOnce(signal),
      pollMs: null,
      failed: 'an operator profile; it is looked at again',
      log: parts.log,
    });
  }

  /** Asks what is wanted at once, or once more after what is under way. */
  look(): void {
    this.#errand.look();
  }

  /** Another release serves, or none. */
  serves(loaded: LoadedRelease | null): void {
    this.#serves = loaded;
    this.#errand.breakOff('another release serves now, or none. Ask again.');
  }

  /** Ends what is under way; it is begun anew after the next start, while somebody waits for it. */
  stop(): Promise<void> {
    return this.#errand.stop();
  }

  async #lookOnce(signal: AbortSignal): Promise<void> {
    const task = await askedTask(() => this.#parts.api.call(deviceRoutes.operatorProfileTask, {}));
    if (task === undefined || this.#answered.includes(task.id)) return;
    const restMs = this.#restUntil - performance.now();
    if (restMs > 0) return this.#errand.lookAfter(restMs);
    // Nothing was measured yet: what serves now can be.
    signal.throwIfAborted();
    const answer = await this.#do(task, signal);
    if (this.#errand.isStopped) return;
    this.#answered.push(task.id);
    this.#answered.splice(0, this.#answered.length - REMEMBERED);
    await this.#parts.reporter.operatorProfile({ request: task.id, ...answer });
    // Something may be wanted that was asked for meanwhile.
    this.#errand.look();
  }

  async #do(
    task: OperatorProfileTask,
    signal: AbortSignal,
  ): Promise<{ readonly profile: OperatorProfile | null; readonly refusal: ProfileRefusal | null }> {
    const serves = this.#serves;
    if (serves === null) {
      const message = 'No release serves on this device now, so that there is nothing to profile.';
      return { profile: null, refusal: { code: 'nothing-serves', message } };
    }
    try {
      const refusal = await refusalOf(serves, this.#parts.journal.state, this.#parts.memory);
      if (refusal !== undefined) return { profile: null, refusal };
      return { profile: await this.#measure(serves, task.frames, signal), refusal: null };
    } catch (error) {
      const code = error instanceof BrokenOffError ? 'serving-changed' : 'profile-failed';
      const message = `${serves.release.release} could not be profiled: ${messageOf(error)}`;
      return { profile: null, refusal: { code, message } };
    } finally {
      this.#restUntil = performance.now() + REST_MS;
    }
  }

  async #measure(
    { release, folder, worker }: LoadedRelease,
    frames: number,
    signal: AbortSignal,
  ): Promise<OperatorProfile> {
    const { profile, folder: profileFolder, log } = this.#parts;
    log.info({ release: release.release, frames }, 'its operators are profiled');
    await rm(profileFolder, { recursive: true, force: true });
    await mkdir(profileFolder, { mode: 0o700 });
    try {
      const where = { archiveDirectory: folder, providers: worker.provider.requested, profileFolder };
      const { provider, report } = await profile(where, frames, signal);
      return { release: release.release, digest: release.digest, provider: provider.effective, ...report };
    } finally {
      await rm(profileFolder, { recursive: true, force: true });
    }
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
