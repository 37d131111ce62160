import { join } from 'node:path';
import type { ReleaseManifest } from '@aviary/release';
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { FrameError, WorkerStartError } from '../errors.ts';
import { type InferenceResult, type Picture, REMEMBERED_FRAMES } from '../frame.ts';
import type { WorkerConfig } from '../worker-messages.ts';
import { classify } from './classify.ts';
import { FeatureMemory } from './feature-memory.ts';
import { Preprocessor, tensorShape } from './preprocess.ts';
import { type OpenedSession, openSession } from './session.ts';

/** A release with its model in memory; answers one picture at a time, because ORT's `run` blocks the process. */
export class LoadedRelease {
  readonly manifest: ReleaseManifest;
  readonly opened: OpenedSession;
  readonly #preprocessor: Preprocessor;
  readonly #input: Float32Array;
  readonly #feeds: Record<string, Tensor>;
  readonly #output: string;
  /** What the model is asked for: its first output, and the head's input where the head can be trained. */
  readonly #wanted: readonly string[];
  readonly #memory: FeatureMemory | null;

  private constructor(manifest: ReleaseManifest, opened: OpenedSession, inputName: string, outputName: string) {
    this.manifest = manifest;
    this.opened = opened;
    this.#preprocessor = new Preprocessor(manifest.preprocessing);
    const shape = tensorShape(manifest.preprocessing);
    // One tensor for the life of the process: each frame overwrites the one before.
    this.#input = new Float32Array(shape.reduce((product, size) => product * size, 1));
    this.#feeds = { [inputName]: new Tensor('float32', this.#input, shape) };
    this.#output = outputName;
    const { training } = manifest;
    this.#wanted = training === undefined ? [outputName] : [outputName, training.featuresOutput];
    this.#memory = training === undefined ? null : new FeatureMemory(REMEMBERED_FRAMES, training.features);
  }

  /**
   * Opens the manifest's model and checks that it takes what the pre-processing makes and gives one value per label, with
   * one run on an empty picture.
   * @throws WorkerStartError `worker-start-failed`, saying what does not fit.
   */
  static async load(manifest: ReleaseManifest, config: WorkerConfig): Promise<LoadedRelease> {
    const { runtime, format, file } = manifest.variant;
    if (runtime !== 'onnxruntime' || format !== 'onnx') {
      throw refused(`this worker runs ONNX files with onnxruntime, the variant is ${format} for ${runtime}`);
    }
    if (manifest.task !== 'classification') {
      throw refused(`this worker does classification, the release's task is ${manifest.task}`);
    }
    const opened = await openSession({
      modelFile: join(config.archiveDirectory, file),
      providers: config.providers,
      intraOpThreads: config.intraOpThreads,
    });
    const [inputName, outputName] = checkedSignature(opened.session, tensorShape(manifest.preprocessing));
    const loaded = new LoadedRelease(manifest, opened, inputName, outputName);
    try {
      const outputs = await loaded.#run();
      classify(loaded.#scores(outputs), manifest.labels, manifest.postprocessing);
      loaded.#featuresIn(outputs);
    } catch (error) {
      throw refused(
        `the model does not run on an empty picture: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    return loaded;
  }

  /**
   * @param frame under which the picture's features are remembered, where the release can be trained; without one they
   * are not
   * @throws FrameError when the picture cannot be read, or the model gives nothing that is an answer.
   */
  async answer(picture: Picture, frame?: number): Promise<InferenceResult> {
    const start = performance.now();
    await this.#preprocessor.run(picture, this.#input);
    const prepared = performance.now();
    const outputs = await this.#run();
    const ran = performance.now();
    const classification = classify(this.#scores(outputs), this.manifest.labels, this.manifest.postprocessing);
    const features = frame === undefined ? undefined : this.#featuresIn(outputs);
    if (frame !== undefined && features !== undefined) this.#memory?.keep(frame, features);
    const end = performance.now();
    return {
      ...classification,
      ms: { preprocess: prepared - start, run: ran - prepared, postprocess: end - ran, total: end - start },
    };
  }

  /** The model's first output for a picture, as it gives it. @throws FrameError as `answer`. */
  async rawOutput(picture: Picture): Promise<ArrayLike<number>> {
    await this.#preprocessor.run(picture, this.#input);
    return this.#scores(await this.#run());
  }

  /** The features of a frame that was answered a little while ago; undefined when they are forgotten. */
  features(frame: number): Float32Array | undefined {
    return this.#memory?.find(frame);
  }

  /** Gives the session back. */
  async release(): Promise<void> {
    await this.opened.session.release();
  }

  async #run(): Promise<InferenceSession.OnnxValueMapType> {
    try {
      return await this.opened.session.run(this.#feeds, this.#wanted);
    } catch (error) {
      throw new FrameError('frame-failed', `ONNX Runtime: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #scores(outputs: InferenceSession.OnnxValueMapType): Float32Array {
    const data = outputs[this.#output]?.data;
    if (data instanceof Float32Array) return data;
    throw new FrameError('frame-failed', `expected float32 values from the model's output "${this.#output}"`);
  }

  /** @throws FrameError when the release promises other features than the model gives. */
  #featuresIn(outputs: InferenceSession.OnnxValueMapType): Float32Array | undefined {
    const { training } = this.manifest;
    if (training === undefined) return undefined;
    const data = outputs[training.featuresOutput]?.data;
    if (data instanceof Float32Array && data.length === training.features) return data;
    throw new FrameError(
      'frame-failed',
      `expected ${training.features} float32 features from the model's output "${training.featuresOutput}"`,
    );
  }
}

/** The names of the model's input and first output, when it takes one float32 tensor of this shape. */
function checkedSignature(session: InferenceSession, shape: readonly number[]): [input: string, output: string] {
  const [input, ...others] = session.inputMetadata;
  const output = session.outputNames[0];
  if (input === undefined || others.length > 0 || output === undefined) {
    throw refused(`expected a model with one input and an output, it has inputs ${session.inputNames.join(', ')}`);
  }
  if (!input.isTensor || input.type !== 'float32') {
    throw refused(
      `expected float32 as the type of the model's input "${input.name}", it is ${input.isTensor ? input.type : 'no tensor'}`,
    );
  }
  const fits =
    input.shape.length === shape.length &&
    input.shape.every((size, i) => typeof size !== 'number' || size === shape[i]);
  if (!fits) {
    throw refused(
      `the pre-processing makes a tensor of ${shape.join('×')}, the model's input "${input.name}" takes ${input.shape.join('×')}; change width, height, colour or layout in model.yaml`,
    );
  }
  return [input.name, output];
}

function refused(words: string): WorkerStartError {
  return new WorkerStartError('worker-start-failed', words);
}
