import { type ManifestModel, modelsOf, type Preprocessing, type ReleaseManifest } from '@aviary/release';
import { FrameError, WorkerStartError } from '../errors.ts';
import { type FrameAnswer, type InferenceResult, type Picture, type RawPicture, REMEMBERED_FRAMES } from '../frame.ts';
import type { EffectiveProvider } from '../worker-handle.ts';
import type { WorkerConfig } from '../worker-messages.ts';
import { answerTogether } from './answers/ensemble.ts';
import {
  answerOf,
  meanProbabilities,
  outputsIn,
  type ReadView,
  type ReadViews,
  readView,
} from './answers/task-answers.ts';
import { followObjects, type LoadedStage } from './cascade.ts';
import { FeatureMemory } from './feature-memory.ts';
import { LoadedModel, type Stopwatch } from './loaded-model.ts';
import { openerOf } from './model-opener.ts';
import type { ModelOutputs } from './model-outputs.ts';
import { cut, unpack } from './pixels.ts';
import { partsOfFrame, seesParts } from './views.ts';

type Models = readonly [LoadedModel, ...LoadedModel[]];

/** A release with its models in memory; answers one picture at a time, because ORT's `run` blocks the process. */
export class LoadedRelease {
  readonly manifest: ReleaseManifest;
  /** In the order of the manifest; those of a cascade in the order of its stages. */
  readonly #models: Models;
  /** Stages of a cascade after the first. */
  readonly #stages: readonly LoadedStage[];
  /** All pixels of a frame are needed, for parts of it are cut out. */
  readonly #looksAtParts: boolean;
  readonly #memory: FeatureMemory | null;

  readonly #onAlive: () => void;

  private constructor(manifest: ReleaseManifest, models: Models, stages: readonly LoadedStage[], onAlive: () => void) {
    this.manifest = manifest;
    this.#onAlive = onAlive;
    this.#models = models;
    this.#stages = stages;
    this.#looksAtParts = stages.length > 0 || models.some(({ part }) => seesParts(part.preprocessing));
    const { training } = manifest;
    this.#memory = training === undefined ? null : new FeatureMemory(REMEMBERED_FRAMES, training.features);
  }

  /**
   * Opens the manifest's models and checks that they take what their pre-processing makes and give what their tasks need,
   * with one run of each on an empty picture.
   * @param onAlive is called about every second while a picture that takes many runs is in work
   * @throws WorkerStartError `worker-start-failed`, saying what does not fit.
   */
  static async load(
    manifest: ReleaseManifest,
    config: WorkerConfig,
    onAlive: () => void = () => {},
  ): Promise<LoadedRelease> {
    const open = await openerOf(manifest, config, onAlive);
    const { training, cascade } = manifest;
    const loaded = new Map<string, LoadedModel>();
    for (const part of inOrder(manifest)) {
      const more = training === undefined ? [] : [training.featuresOutput];
      loaded.set(part.id, LoadedModel.of(part, await open(part), more));
    }
    const [first, ...others] = loaded.values();
    if (first === undefined) throw refused('the manifest names no model');
    const stages = (cascade ?? []).slice(1).flatMap((stage): LoadedStage[] => {
      const model = loaded.get(stage.model);
      return model === undefined ? [] : [{ stage, model }];
    });
    const release = new LoadedRelease(manifest, [first, ...others], stages, onAlive);
    for (const model of release.#models) await release.#tryOut(model);
    return release;
  }

  get models(): readonly LoadedModel[] {
    return this.#models;
  }

  /** On what its models run; where they differ, all of it is named. */
  get provider(): EffectiveProvider {
    const all = this.#models.map(({ session }) => session.provider);
    const effective = new Set(all.flatMap((one) => one.effective.split('+')));
    const rejected = new Map(all.flatMap((one) => one.rejected.map((reason) => [reason.provider, reason] as const)));
    const { requested } = this.#models[0].session.provider;
    return { requested, effective: [...effective].join('+'), rejected: [...rejected.values()] };
  }

  /**
   * @param frame under which the picture's features are remembered, where the release can be trained; without one they
   * are not
   * @throws FrameError when the picture cannot be read, or a model gives nothing that is an answer.
   */
  async answer(picture: Picture, frame?: number): Promise<InferenceResult> {
    const watch = this.#watch();
    const start = watch.signAt;
    const answer = await this.#answer(picture, watch, frame);
    if (!Number.isFinite(answer.confidence)) {
      throw new FrameError('frame-failed', `the model's confidence in "${answer.label}" is ${answer.confidence}`);
    }
    const total = performance.now() - start;
    const { preprocess, run } = watch;
    return { ...answer, ms: { preprocess, run, postprocess: Math.max(0, total - preprocess - run), total } };
  }

  /**
   * A model's first output for a whole picture, as it gives it, without regions, tiles and stages.
   * @param id of the model, where there are several
   * @throws FrameError as `answer`.
   */
  async rawOutput(picture: Picture, id?: string): Promise<ArrayLike<number>> {
    const model = id === undefined ? this.#models[0] : this.#models.find(({ part }) => part.id === id);
    if (model === undefined) throw new FrameError('frame-failed', `the release has no model "${id}"`);
    const [values] = await model.see([picture], this.#watch(), ({ outputs }) => outputs[0].values);
    return values ?? [];
  }

  /** The features of a frame that was answered a little while ago; undefined when they are forgotten. */
  features(frame: number): Float32Array | undefined {
    return this.#memory?.find(frame);
  }

  /** Whether what runs its models still answers. @throws SidecarLostError */
  async ping(): Promise<void> {
    await this.#models[0].session.ping();
  }

  /** Gives the sessions back. */
  async release(): Promise<void> {
    for (const model of this.#models) await model.release();
  }

  async #answer(picture: Picture, watch: Stopwatch, frame: number | undefined): Promise<FrameAnswer> {
    const { ensemble } = this.manifest;
    const [first] = this.#models;
    const whole = this.#looksAtParts ? await this.#unpacked(picture, watch) : null;
    const views = await look(first, whole ?? picture, watch);
    if (ensemble !== undefined) {
      const said = [meanProbabilities(first.part, outputsIn(views))];
      for (const model of this.#models.slice(1)) {
        said.push(meanProbabilities(model.part, outputsIn(await look(model, whole ?? picture, watch))));
      }
      return answerTogether(said, ensemble, this.manifest.labels, first.part.postprocessing.confidenceBelow);
    }
    const answer = answerOf(first.part, views);
    if (this.#stages.length > 0 && whole !== null) return followObjects(whole, answer, this.#stages, watch);
    const [view] = views;
    const features = frame === undefined || view.kind !== 'outputs' ? undefined : this.#featuresIn(view.outputs);
    if (frame !== undefined && features !== undefined) this.#memory?.keep(frame, features);
    return answer;
  }

  #watch(): Stopwatch {
    return { preprocess: 0, run: 0, signAt: performance.now(), onAlive: this.#onAlive };
  }

  /** The frame's pixels, where parts of it are cut out. */
  async #unpacked(picture: Picture, watch: Stopwatch): Promise<RawPicture> {
    const start = performance.now();
    const whole = await unpack(picture, this.#models[0].part.preprocessing.fill);
    watch.preprocess += performance.now() - start;
    return whole;
  }

  /** One run on an empty picture, which has to give an answer. */
  async #tryOut(model: LoadedModel): Promise<void> {
    try {
      const { width, height } = model.part.preprocessing;
      const empty = { kind: 'raw', bytes: new Uint8Array(width * height), width, height, channels: 1 } as const;
      const views = await look(model, empty, this.#watch(), {});
      // An empty picture may have no direction.
      if (model.part.task !== 'embedding') answerOf(model.part, views);
      if (views[0].kind === 'outputs') this.#featuresIn(views[0].outputs);
    } catch (error) {
      throw refused(
        `${this.#models.length > 1 ? `${model.part.id}: ` : ''}the model does not run on an empty picture: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  /** @throws FrameError when the release promises other features than the model gives. */
  #featuresIn(outputs: ModelOutputs): Float32Array | undefined {
    const { training } = this.manifest;
    if (training === undefined) return undefined;
    const values = outputs.find(({ name }) => name === training.featuresOutput)?.values;
    if (values instanceof Float32Array && values.length === training.features) return values;
    throw new FrameError(
      'frame-failed',
      `expected ${training.features} float32 features from the model's output "${training.featuresOutput}"`,
    );
  }
}

/** What a model gave for each of the parts of a frame that it sees. */
async function look(
  model: LoadedModel,
  frame: Picture,
  watch: Stopwatch,
  parts: Pick<Preprocessing, 'region' | 'tiles'> = model.part.preprocessing,
): Promise<ReadViews> {
  const rectangles = frame.kind === 'raw' && seesParts(parts) ? partsOfFrame(frame, parts) : undefined;
  const pictures =
    rectangles === undefined || frame.kind === 'encoded' ? [frame] : rectangles.map((one) => cut(frame, one));
  const views = await model.see(pictures, watch, ({ outputs, placement }, index) => {
    const view = placement && { left: 0, top: 0, ...(rectangles?.[index] ?? placement.picture), placement };
    return readView(model.part, outputs, view);
  });
  return views as [ReadView, ...ReadView[]];
}

function inOrder(manifest: ReleaseManifest): readonly ManifestModel[] {
  const models = modelsOf(manifest);
  return manifest.cascade?.flatMap(({ model: id }) => models.filter((model) => model.id === id)) ?? models;
}

function refused(words: string): WorkerStartError {
  return new WorkerStartError('worker-start-failed', words);
}
