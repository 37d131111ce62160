import type { LearningRecord } from '@aviary/protocol';
import type { ManifestTraining } from '@aviary/release';
import type { Logger } from 'pino';
import { WorkerLostError } from '../inference/errors.ts';
import { REMEMBERED_FRAMES } from '../inference/frame.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { LoadedRelease } from '../update/serving-slot.ts';
import { FeedbackError } from './feedback-error.ts';
import type { SampleFolder } from './sample-folder.ts';
import type { SampleStore } from './sample-store.ts';
import { readServed, type ServedRelease } from './served-release.ts';

/** What can be learnt now: a release whose head can be trained, and the samples of its backbone. */
export interface Trainable {
  readonly served: ServedRelease;
  readonly training: ManifestTraining;
  readonly samples: SampleFolder;
}

interface LearnerParts {
  readonly store: SampleStore;
  readonly reporter: Pick<Reporter, 'learning' | 'event'>;
  /** How often a changed count is told, at most. */
  readonly windowSeconds: number;
  /** Another release serves, or none. */
  readonly onChange: () => void;
  readonly log: Logger;
}

/** Keeps the right answers that applications give, for the release that serves; only how many there are is told. */
export class Learner {
  readonly #parts: LearnerParts;
  #served: ServedRelease | null = null;
  #trainable: Trainable | null = null;
  #timer: NodeJS.Timeout | undefined;
  #reported: Omit<LearningRecord, 'type' | 'at'> | null = null;
  /** Which call of `serves` is the newest: reading samples takes a while. */
  #turn = 0;

  constructor(parts: LearnerParts) {
    this.#parts = parts;
  }

  get trainable(): Trainable | null {
    return this.#trainable;
  }

  /** A release serves whose head cannot be trained. */
  get isUntrainable(): boolean {
    return this.#served !== null && this.#served.training === undefined;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#report(), this.#parts.windowSeconds * 1000);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#report();
  }

  /** What serves now. Never rejects: a disk that cannot be read must not keep a release from serving. */
  async serves(loaded: LoadedRelease | null): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    this.#served = null;
    this.#trainable = null;
    try {
      const served = loaded === null ? null : await readServed(loaded);
      const training = served?.training;
      let trainable: Trainable | null = null;
      if (served !== null && training !== undefined) {
        const backbone = { digest: training.backbone, features: training.features };
        trainable = { served, training, samples: await this.#parts.store.use(backbone) };
      }
      if (turn !== this.#turn) return;
      this.#served = served;
      this.#trainable = trainable;
      if (!this.#isReported(trainable)) await this.#report();
    } catch (error) {
      const words = `what was learnt cannot be read: ${error instanceof Error ? error.message : error}`;
      await this.#parts.reporter
        .event('warning', 'learning-unreadable', words)
        .catch((reason: unknown) => this.#parts.log.warn({ err: reason }, words));
    }
    this.#parts.onChange();
  }

  /**
   * Keeps the right answer to a frame. The same again changes nothing; another one for the same frame corrects it.
   * @returns how many samples are kept for this backbone
   * @throws FeedbackError
   */
  async label(id: string, label: string): Promise<number> {
    const trainable = this.#mustBeTrainable();
    const { served, training, samples } = trainable;
    if (!served.labels.includes(label)) {
      const known = served.labels.join(', ');
      throw new FeedbackError('label-unknown', `Expected one of the release's labels (${known}), got "${label}".`);
    }
    if (samples.labelOf(id) !== label) {
      const features = await featuresOf(id, trainable);
      if (features === undefined) {
        throw new FeedbackError(
          'frame-unknown',
          `Expected the id of one of the last ${REMEMBERED_FRAMES} frames that ${served.held.release} answered since it was started, got "${id}". Label frames sooner.`,
        );
      }
      if (features.length !== training.features) {
        throw new FeedbackError('sample-not-kept', `Expected ${training.features} features, got ${features.length}.`);
      }
      try {
        await samples.append({ id, label, at: Date.now(), features });
      } catch (error) {
        const why = error instanceof Error ? error.message : error;
        throw new FeedbackError('sample-not-kept', `The disk does not take it (${why}). Free some space.`);
      }
    }
    return samples.counts.samples;
  }

  #mustBeTrainable(): Trainable {
    if (this.#trainable !== null) return this.#trainable;
    if (this.#served === null) {
      throw new FeedbackError(
        'nothing-serves',
        'No release serves now, so there is nothing to learn for. Try again later.',
      );
    }
    throw new FeedbackError(
      'release-not-trainable',
      `${this.#served.held.release} was published without training, so labels are of no use to it. Publish one with "training:" in its model.yaml.`,
    );
  }

  #isReported(trainable: Trainable | null): boolean {
    if (trainable === null) return true;
    const { served, training } = trainable;
    const { release, backbone, base } = this.#reported ?? {};
    return release === served.held.release && backbone === training.backbone && base === training.base;
  }

  async #report(): Promise<void> {
    if (this.#trainable === null) return;
    const { served, training, samples } = this.#trainable;
    const { backbone, base } = training;
    const record = { release: served.held.release, backbone, base, ...samples.counts };
    if (JSON.stringify(record) === JSON.stringify(this.#reported)) return;
    try {
      await this.#parts.reporter.learning(record);
      this.#reported = record;
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'how much was learnt could not be reported');
    }
  }
}

/** Of a frame that its worker remembers, or that was labelled before. */
const featuresOf = async (id: string, { served, samples }: Trainable): Promise<Float32Array | undefined> => {
  if (samples.labelOf(id) !== undefined) return (await samples.read()).find((sample) => sample.id === id)?.features;
  try {
    return await served.worker.features(id);
  } catch (error) {
    // With the worker its frames are gone.
    if (error instanceof WorkerLostError) return undefined;
    throw error;
  }
};
