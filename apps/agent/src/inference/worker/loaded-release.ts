import { join } from 'node:path';
import type { ReleaseManifest } from '@aviary/release';
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { FrameError, WorkerStartError } from '../errors.ts';
import type { InferenceResult, Picture } from '../frame.ts';
import type { WorkerConfig } from '../worker-messages.ts';
import { classify } from './classify.ts';
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

  private constructor(manifest: ReleaseManifest, opened: OpenedSession, inputName: string, outputName: string) {
    this.manifest = manifest;
    this.opened = opened;
    this.#preprocessor = new Preprocessor(manifest.preprocessing);
    const shape = tensorShape(manifest.preprocessing);
    // One tensor for the life of the process: each frame overwrites the one before.
    this.#input = new Float32Array(shape.reduce((product, size) => product * size, 1));
    this.#feeds = { [inputName]: new Tensor('float32', this.#input, shape) };
    this.#output = outputName;
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
      ...(config.profilePrefix === undefined ? {} : { profilePrefix: config.profilePrefix }),
    });
    const [inputName, outputName] = checkedSignature(opened.session, tensorShape(manifest.preprocessing));
    const loaded = new LoadedRelease(manifest, opened, inputName, outputName);
    try {
      classify(await loaded.#run(), manifest.labels, manifest.postprocessing);
    } catch (error) {
      throw refused(
        `the model does not run on an empty picture: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    return loaded;
  }

  /** @throws FrameError when the picture cannot be read, or the model gives nothing that is an answer. */
  async answer(picture: Picture): Promise<InferenceResult> {
    const start = performance.now();
    await this.#preprocessor.run(picture, this.#input);
    const prepared = performance.now();
    const scores = await this.#run();
    const ran = performance.now();
    const classification = classify(scores, this.manifest.labels, this.manifest.postprocessing);
    const end = performance.now();
    return {
      ...classification,
      ms: { preprocess: prepared - start, run: ran - prepared, postprocess: end - ran, total: end - start },
    };
  }

  /** The model's first output for a picture, as it gives it. @throws FrameError as `answer`. */
  async rawOutput(picture: Picture): Promise<ArrayLike<number>> {
    await this.#preprocessor.run(picture, this.#input);
    return this.#run();
  }

  /** Gives the session back; ORT writes its profile now, where one was asked for. */
  async release(): Promise<void> {
    await this.opened.session.release();
  }

  async #run(): Promise<Float32Array> {
    let outputs: InferenceSession.OnnxValueMapType;
    try {
      outputs = await this.opened.session.run(this.#feeds, [this.#output]);
    } catch (error) {
      throw new FrameError('frame-failed', `ONNX Runtime: ${error instanceof Error ? error.message : String(error)}`);
    }
    const data = outputs[this.#output]?.data;
    if (data instanceof Float32Array) return data;
    throw new FrameError('frame-failed', `expected float32 values from the model's output "${this.#output}"`);
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
