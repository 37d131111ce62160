import { mkdir, rm } from 'node:fs/promises';
import {
  ApiError,
  Backoff,
  deviceRoutes,
  type OperatorProfile,
  type OperatorProfileTask,
  type ProfileRefusal,
} from '@aviary/protocol';
import type { Logger } from 'pino';
import type { ReleaseProfile } from '../inference/release-profile.ts';
import type { DeviceApi } from '../link/device-api.ts';
import type { Journal } from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { MemoryPreflight } from '../update/memory-preflight.ts';
import type { LoadedRelease } from '../update/serving-slot.ts';
import { refusalOf } from './profile-check.ts';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
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

/** Another release serves, or none, or the agent stops: what was being measured is not what serves any more. */
class BrokenOffError extends Error {
  readonly code = 'serving-changed';
}

/**
 * Measures what each operator of the release that serves costs, when somebody asks for it: in a second process, so that
 * what serves is slowed by no more than that the two share a board, and nothing of it is counted as frames.
 */
export class OperatorProfiler {
  readonly #parts: ProfilerParts;
  readonly #retry = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random);
  readonly #answered: string[] = [];
  #serves: LoadedRelease | null = null;
  #work = new AbortController();
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #restUntil = Number.NEGATIVE_INFINITY;
  #again = false;
  #stopped = false;

  constructor(parts: ProfilerParts) {
    this.#parts = parts;
  }

  /** Asks what is wanted at once, or once more after what is under way. */
  look(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#running ??= this.#run();
  }

  /** Another release serves, or none. */
  serves(loaded: LoadedRelease | null): void {
    this.#serves = loaded;
    this.#work.abort(new BrokenOffError('another release serves now, or none. Ask again.'));
  }

  /** Ends what is under way; it is begun anew after the next start, while somebody waits for it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#work.abort(new BrokenOffError('the agent stops'));
    await this.#running;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#lookOnce();
        this.#retry.reset();
      } catch (error) {
        const pauseMs = this.#retry.next();
        this.#parts.log.info({ error: messageOf(error), pauseMs }, 'an operator profile; it is looked at again');
        this.#later(pauseMs);
      }
    }
    this.#running = undefined;
  }

  async #lookOnce(): Promise<void> {
    const task = await this.#ask();
    if (task === undefined || this.#answered.includes(task.id)) return;
    const restMs = this.#restUntil - performance.now();
    if (restMs > 0) return this.#later(restMs);
    const answer = await this.#do(task);
    if (this.#stopped) return;
    this.#answered.push(task.id);
    this.#answered.splice(0, this.#answered.length - REMEMBERED);
    await this.#parts.reporter.operatorProfile({ request: task.id, ...answer });
    // Something may be wanted that was asked for meanwhile.
    this.#again = true;
  }

  #later(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => this.look(), ms);
  }

  async #ask(): Promise<OperatorProfileTask | undefined> {
    try {
      return await this.#parts.api.call(deviceRoutes.operatorProfileTask, {});
    } catch (error) {
      // Nothing is asked of it, or the control plane knows no profiles.
      if (error instanceof ApiError && error.problem.status === 404) return undefined;
      throw error;
    }
  }

  async #do(
    task: OperatorProfileTask,
  ): Promise<{ readonly profile: OperatorProfile | null; readonly refusal: ProfileRefusal | null }> {
    const serves = this.#serves;
    if (serves === null) {
      const message = 'No release serves on this device now, so that there is nothing to profile.';
      return { profile: null, refusal: { code: 'nothing-serves', message } };
    }
    this.#work = new AbortController();
    try {
      const refusal = await refusalOf(serves, this.#parts.journal.state, this.#parts.memory);
      if (refusal !== undefined) return { profile: null, refusal };
      return { profile: await this.#measure(serves, task.frames), refusal: null };
    } catch (error) {
      const code = error instanceof BrokenOffError ? error.code : 'profile-failed';
      const message = `${serves.release.release} could not be profiled: ${messageOf(error)}`;
      return { profile: null, refusal: { code, message } };
    } finally {
      this.#restUntil = performance.now() + REST_MS;
    }
  }

  async #measure({ release, folder, worker }: LoadedRelease, frames: number): Promise<OperatorProfile> {
    const { profile, folder: profileFolder, log } = this.#parts;
    log.info({ release: release.release, frames }, 'its operators are profiled');
    await rm(profileFolder, { recursive: true, force: true });
    await mkdir(profileFolder, { mode: 0o700 });
    try {
      const where = { archiveDirectory: folder, providers: worker.provider.requested, profileFolder };
      const { provider, report } = await profile(where, frames, this.#work.signal);
      return { release: release.release, digest: release.digest, provider: provider.effective, ...report };
    } finally {
      await rm(profileFolder, { recursive: true, force: true });
    }
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
