import type { ThrottleCause } from '@aviary/protocol';
import type { AcceptanceLimits } from '@aviary/release';
import { type AcceptanceFailure, atMost } from '../inference/acceptance.ts';
import { judgeStress, type StressFigures, type StressObservation } from '../inference/stress.ts';
import type { WorkerHandle } from '../inference/worker-handle.ts';
import type { ThrottleSource } from '../telemetry/board/throttle-sources.ts';
import type { ServingSlot } from './serving-slot.ts';
import { waitAtMost } from './wait-at-most.ts';

const MEGABYTE = 2 ** 20;
/** How often a process and its board are looked at under stress. */
const LOOK_MS = 1_000;

type TriedWorker = Pick<WorkerHandle, 'runAcceptance' | 'runStress' | 'memory'>;

export interface TrialParts {
  readonly slot: Pick<ServingSlot, 'serves'>;
  /** Opens what tells whether the board slows itself down. */
  readonly openThrottling: () => Promise<ThrottleSource>;
  /** Told while something that may take long goes on. */
  readonly onProgress: () => void;
}

/** What serves has ended while another release was tried: first something serves again. */
export class ServingLostError extends Error {
  readonly code = 'serving-lost';
}

/** Tries a loaded release on this device, while another one serves. */
export class Trial {
  readonly #parts: TrialParts;

  constructor(parts: TrialParts) {
    this.#parts = parts;
  }

  /**
   * Runs its acceptance suite and, where its limits ask for it, holds it under load. What it has had in memory is measured
   * here, since its own process is not to be believed.
   * @returns the limits that it missed, none when it may serve
   * @throws WorkerLostError; InferenceError; ServingLostError; the signal's reason
   */
  async run(worker: TriedWorker, limits: AcceptanceLimits, signal: AbortSignal): Promise<readonly AcceptanceFailure[]> {
    const { failures } = await worker.runAcceptance();
    const stressed =
      failures.length > 0 || limits.stressSeconds === undefined
        ? []
        : await this.#stress(worker, limits, limits.stressSeconds, signal);
    const peak = worker.memory()?.peak;
    const peakMB = peak === undefined ? undefined : Math.ceil(peak / MEGABYTE);
    const memory = atMost('memoryMB', 'peak of its memory, in MB', peakMB, limits.maxMemoryMB);
    return [...failures, ...stressed, ...(memory === null ? [] : [memory])];
  }

  async #stress(
    worker: TriedWorker,
    limits: AcceptanceLimits,
    seconds: number,
    signal: AbortSignal,
  ): Promise<AcceptanceFailure[]> {
    const { slot, onProgress } = this.#parts;
    const served = slot.serves;
    const throttling = await this.#parts.openThrottling();
    try {
      const watch = new StressWatch(worker, throttling);
      const measured: { figures?: StressFigures } = {};
      const running = worker.runStress(seconds).then((figures) => {
        measured.figures = figures;
      });
      while (measured.figures === undefined) {
        await waitAtMost(running, LOOK_MS);
        watch.look();
        onProgress();
        signal.throwIfAborted();
        if (served !== null && slot.serves?.digest !== served.digest) {
          throw new ServingLostError(`${served.release} has ended while another release was tried; that begins anew`);
        }
      }
      return judgeStress(measured.figures, watch.seen, limits);
    } finally {
      throttling.close();
    }
  }
}

/** Looks at a process and its board from time to time. */
class StressWatch {
  readonly #worker: TriedWorker;
  readonly #throttling: ThrottleSource;
  readonly #resident: number[] = [];
  /** Causes that were there before: nothing that is tried can be blamed for them. */
  readonly #before: readonly ThrottleCause[] | undefined;
  readonly #causes = new Set<ThrottleCause>();

  constructor(worker: TriedWorker, throttling: ThrottleSource) {
    this.#worker = worker;
    this.#throttling = throttling;
    this.#before = throttling.causes();
  }

  look(): void {
    const memory = this.#worker.memory();
    if (memory !== null) this.#resident.push(memory.resident);
    for (const cause of this.#throttling.causes() ?? []) {
      if (this.#before?.includes(cause) !== true) this.#causes.add(cause);
    }
  }

  get seen(): StressObservation {
    return { resident: this.#resident, throttling: this.#before === undefined ? null : [...this.#causes] };
  }
}
