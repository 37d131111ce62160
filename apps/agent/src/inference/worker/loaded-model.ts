import {
  hasDynamicSize,
  type ManifestModel,
  type Placement,
  type Preprocessing,
  placementOf,
  type Size,
} from '@aviary/release';
import { WorkerStartError } from '../errors.ts';
import type { Picture } from '../frame.ts';
import { type ModelOutputs, outputOfEach } from './model-outputs.ts';
import type { ModelSession, Run } from './model-session.ts';
import { sizeOf } from './pixels.ts';
import { Preprocessor, tensorShape } from './preprocess.ts';

/** What a model gave for one picture. */
export interface Seen {
  readonly outputs: ModelOutputs;
  /** Where the picture lay in the model's input; of a model whose answers name no places `null`. */
  readonly placement: Placement | null;
}

/** Milliseconds that went by in a model's parts of a frame. */
export interface Stopwatch {
  preprocess: number;
  run: number;
  /** When somebody has last heard of this frame; `performance.now()`. */
  signAt: number;
  /** Called between two runs when nobody has heard of a frame for a while: one of many runs may take long as a whole. */
  readonly onAlive: () => void;
}

const ALIVE_MS = 1000;

/** A tensor that each run overwrites, for pictures of one size. */
interface Input {
  readonly values: Float32Array;
  /** Elements of one picture. */
  readonly each: number;
  readonly run: Run;
}

/** One model of a release in memory, with the pre-processing of its pictures. */
export class LoadedModel {
  readonly part: ManifestModel;
  readonly session: ModelSession;
  readonly #preprocessor: Preprocessor;
  readonly #inputName: string;
  readonly #wanted: readonly string[];
  /** First dimension of the tensor, where the model insists on one. */
  readonly #fixedBatch: number | null;
  readonly #hasDynamicSize: boolean;
  /** Where a picture lies in the tensor counts, and with it how large it is. */
  readonly #needsSize: boolean;
  #runs = 0;
  /** Of the size, and the number of pictures, that was asked for last: frames of one source are all alike. */
  #input: { readonly size: Size; readonly pictures: number; readonly input: Input } | null = null;

  private constructor(part: ManifestModel, session: ModelSession, signature: Signature, wanted: readonly string[]) {
    this.part = part;
    this.session = session;
    this.#preprocessor = new Preprocessor(part.preprocessing);
    this.#inputName = signature.input;
    this.#fixedBatch = signature.batch;
    this.#wanted = wanted;
    this.#hasDynamicSize = hasDynamicSize(part.preprocessing);
    this.#needsSize = this.#hasDynamicSize || part.task === 'detection' || part.task === 'segmentation';
  }

  /**
   * Checks that an opened model takes what its pre-processing makes.
   * @param more names of outputs that are wanted beside those of its task
   * @throws WorkerStartError `worker-start-failed`, saying what does not fit.
   */
  static of(part: ManifestModel, session: ModelSession, more: readonly string[] = []): LoadedModel {
    const fitting = inLayoutOf(session, part);
    const signature = checkedSignature(session, fitting);
    return new LoadedModel(fitting, session, signature, [...wantedOutputs(session, fitting), ...more]);
  }

  /** Most pictures in one run. */
  get batch(): number {
    return this.part.preprocessing.batch ?? 1;
  }

  /**
   * What is read of the model's outputs for each picture; those that make tensors of one size go in together, as many as
   * `batch` allows.
   * @param read is called as soon as there are outputs, so that those of many pictures need not be kept
   * @throws FrameError when a picture cannot be read, or the model does not run on them.
   */
  async see<T>(pictures: readonly Picture[], watch: Stopwatch, read: (seen: Seen, picture: number) => T): Promise<T[]> {
    const all: T[] = [];
    for (let from = 0; from < pictures.length; ) {
      const start = performance.now();
      const placement = this.#needsSize ? await this.#placementOf(pictures[from] as Picture) : null;
      const size = this.#hasDynamicSize && placement !== null ? placement : this.part.preprocessing;
      const placements = [placement];
      while (placements.length < this.batch && from + placements.length < pictures.length) {
        const picture = pictures[from + placements.length] as Picture;
        const its = this.#needsSize ? await this.#placementOf(picture) : null;
        if (this.#hasDynamicSize && !isSameSize(its, size)) break;
        placements.push(its);
      }
      const count = placements.length;
      const input = this.#inputOf(size, count);
      const { values, each } = input;
      for (let index = 0; index < count; index += 1) {
        const picture = pictures[from + index] as Picture;
        const into = values.length === each ? values : values.subarray(index * each, (index + 1) * each);
        // Waiting for what is done already costs a turn of the queue, per frame.
        if (!this.#preprocessor.runAtOnce(picture, into, size)) await this.#preprocessor.run(picture, into, size);
      }
      const prepared = performance.now();
      this.#runs += 1;
      const tensors = await input.run(this.#wanted);
      const ran = performance.now();
      watch.preprocess += prepared - start;
      watch.run += ran - prepared;
      if (ran - watch.signAt > ALIVE_MS) {
        watch.signAt = ran;
        watch.onAlive();
      }
      const given = this.#fixedBatch ?? count;
      const outputs = this.#wanted.map((name) => outputOfEach(name, tensors[name], given));
      for (let index = 0; index < count; index += 1) {
        const its = outputs.map((one) => one[index]) as unknown as ModelOutputs;
        all.push(read({ outputs: its, placement: placements[index] ?? null }, from + index));
      }
      from += count;
    }
    return all;
  }

  /** How often it has run. */
  get runs(): number {
    return this.#runs;
  }

  /** Gives the session back. */
  async release(): Promise<void> {
    await this.session.release();
  }

  async #placementOf(picture: Picture): Promise<Placement> {
    return placementOf(this.part.preprocessing, await sizeOf(picture));
  }

  #inputOf(size: Size, pictures: number): Input {
    const count = this.#fixedBatch ?? pictures;
    if (this.#input !== null && this.#input.pictures === count && isSameSize(this.#input.size, size)) {
      return this.#input.input;
    }
    const shape = tensorShape(this.part.preprocessing, size, count);
    const values = new Float32Array(shape.reduce((product, length) => product * length, 1));
    const run = this.session.runOn(this.#inputName, values, shape);
    const input = { values, each: values.length / count, run };
    this.#input = { size: { width: size.width, height: size.height }, pictures: count, input };
    return input;
  }
}

function isSameSize(a: Size | null, b: Size): boolean {
  return a?.width === b.width && a.height === b.height;
}

/** The first output, and where the task reads others those. */
function wantedOutputs(session: ModelSession, { task, postprocessing }: ManifestModel): readonly string[] {
  if (task === 'raw') return session.outputNames;
  const { outputs } = postprocessing;
  if (outputs === undefined) return session.outputNames.slice(0, 1);
  const named = [outputs.boxes, outputs.scores, outputs.classes];
  const missing = named.filter((name) => !session.outputNames.includes(name));
  if (missing.length > 0) {
    throw refused(
      `expected outputs of the names ${missing.join(', ')}, the model has ${session.outputNames.join(', ')}`,
    );
  }
  return named;
}

interface Signature {
  readonly input: string;
  readonly batch: number | null;
}

/** The name of the model's input, when it takes one float32 tensor of what the pre-processing makes. */
function checkedSignature(session: ModelSession, { preprocessing }: ManifestModel): Signature {
  const [input, ...others] = session.inputs;
  if (input === undefined || others.length > 0 || session.outputNames.length === 0) {
    throw refused(
      `expected a model with one input and an output, it has inputs ${session.inputs.map(({ name }) => name).join(', ')}`,
    );
  }
  if (!input.isTensor || input.type !== 'float32') {
    throw refused(`expected float32 as the type of the model's input "${input.name}", it is ${input.type}`);
  }
  const shape = wantedShape(preprocessing);
  if (!fits(input.shape, shape)) {
    throw refused(
      `the pre-processing makes a tensor of ${shape.join('×')}, the model's input "${input.name}" takes ${input.shape.join('×')}; change width, height, colour, layout, resize or batch in model.yaml`,
    );
  }
  const [first] = input.shape;
  return { input: input.name, batch: typeof first === 'number' ? first : null };
}

/** What the pre-processing makes; a letter stands for a size that follows from the picture. */
function wantedShape(preprocessing: Preprocessing): (number | string)[] {
  const { batch = 1 } = preprocessing;
  const shape: (number | string)[] = tensorShape(preprocessing, preprocessing, batch);
  if (hasDynamicSize(preprocessing)) {
    const [vertical, across] = preprocessing.layout === 'nchw' ? [2, 3] : [1, 2];
    shape[across] = 'W';
    if (preprocessing.resize === 'within') shape[vertical] = 'H';
  }
  return shape;
}

function fits(taken: readonly (number | string)[], made: readonly (number | string)[]): boolean {
  return taken.length === made.length && taken.every((size, i) => typeof size !== 'number' || size === made[i]);
}

/**
 * The model with the layout that its file has: `model.yaml` says that of the ONNX file, and compilers for accelerators put
 * the channels last.
 */
function inLayoutOf(session: ModelSession, part: ManifestModel): ManifestModel {
  const [input] = session.inputs;
  const { preprocessing } = part;
  if (!session.isCompiled || input === undefined || preprocessing.layout === 'flat') return part;
  if (fits(input.shape, wantedShape(preprocessing))) return part;
  const turned: Preprocessing = { ...preprocessing, layout: preprocessing.layout === 'nchw' ? 'nhwc' : 'nchw' };
  return fits(input.shape, wantedShape(turned)) ? { ...part, preprocessing: turned } : part;
}

function refused(words: string): WorkerStartError {
  return new WorkerStartError('worker-start-failed', words);
}
