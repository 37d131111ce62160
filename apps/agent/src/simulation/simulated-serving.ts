import type { MetricsSnapshot } from '../inference/metrics-window.ts';
import type { Observation, Serving } from '../inference/serving.ts';
import type { WorkerHandle } from '../inference/worker-handle.ts';
import { type Character, NOISE, normal } from './character.ts';

/** Frames that every device sees in a second. */
const FRAMES_PER_SECOND = 10;
/** Share of frames that get no answer from a release that fails on probation. */
const FAILING_ERRORS = 0.5;
/** A device that drifts gets unsure of so much more, in so long. */
const DRIFT = 0.25;
const DRIFT_SECONDS = 600;

interface Span {
  /** By the clock of the simulation, in milliseconds. */
  since: number;
  /** Latency of this span over the device's usual one. */
  factor: number;
}

/** Plays frames: nothing happens between two looks, and each look says what would have happened by then. */
export class SimulatedServing
  implements Pick<Serving, 'take' | 'observe' | 'mark' | 'switchTo' | 'disturbed' | 'witness'>
{
  readonly #character: Character;
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #startedAt: number;
  #worker: WorkerHandle | null = null;
  #window: Span;
  #marked: Span;

  /**
   * @param random draws from [0, 1)
   * @param now milliseconds of a monotonic clock
   */
  constructor(character: Character, random: () => number, now: () => number = () => performance.now()) {
    this.#character = character;
    this.#random = random;
    this.#now = now;
    this.#startedAt = now();
    this.#window = this.#span();
    this.#marked = this.#span();
  }

  async switchTo(worker: WorkerHandle | null): Promise<WorkerHandle | null> {
    const before = this.#worker;
    this.#worker = worker;
    this.#window = this.#span();
    return before;
  }

  take(): MetricsSnapshot {
    const seen = this.#read(this.#window);
    this.#window = this.#span();
    return seen;
  }

  mark(): void {
    this.#marked = this.#span();
  }

  observe(): Observation {
    const { frames, errors, lowConfidence, labelled, correct, latencyMs } = this.#read(this.#marked);
    return { frames, errors, lowConfidence, labelled, correct, p95Ms: latencyMs.p95 };
  }

  /** No frame is played one by one: a release that runs in shadow here sees none. */
  witness(): void {}

  /** What is tried beside it takes nothing of this board. */
  disturbed(): void {}

  #span(): Span {
    return { since: this.#now(), factor: Math.exp(NOISE * normal(this.#random)) };
  }

  #read({ since, factor }: Span): MetricsSnapshot {
    const release = this.#worker?.release;
    const seconds = (this.#now() - since) / 1000;
    const seen = release === undefined ? 0 : Math.floor(seconds * FRAMES_PER_SECOND);
    const fails = release !== undefined && this.#character.failure(release) === 'probation';
    const errors = fails ? Math.ceil(seen * FAILING_ERRORS) : 0;
    const frames = seen - errors;
    const p95 = frames === 0 ? 0 : this.#character.p95Ms * this.#character.regression(release ?? '') * factor;
    // About the shape of a lognormal distribution whose p95 is that.
    const p50 = p95 * 0.7;
    return {
      frames,
      dropped: 0,
      errors,
      lowConfidence: Math.round(frames * this.#unsure()),
      labelled: 0,
      correct: 0,
      latencyMs: { p50, p95, max: p95 * 1.3, sum: p50 * 1.05 * frames },
    };
  }

  #unsure(): number {
    const { unsure, drifts } = this.#character;
    if (!drifts) return unsure;
    const seconds = (this.#now() - this.#startedAt) / 1000;
    return unsure + DRIFT * Math.min(1, seconds / DRIFT_SECONDS);
  }
}
