import { FrameError, SidecarRefusedError, WorkerStartError } from '../errors.ts';
import type { SidecarConnection } from '../sidecar/sidecar-connection.ts';
import type { SidecarHello, SidecarModel, SidecarPort } from '../sidecar/sidecar-messages.ts';
import { numbersIn, type SidecarTensor, type TensorType } from '../sidecar/tensor-type.ts';
import type { EffectiveProvider } from '../worker-handle.ts';
import type { OutputTensor } from './model-outputs.ts';
import type { ModelInput, ModelSession, Run } from './model-session.ts';

/** What the worker's numbers can be made into, and how many fit. */
const WHOLE = {
  int8: [-128, 127, Int8Array],
  uint8: [0, 255, Uint8Array],
  int16: [-32_768, 32_767, Int16Array],
  uint16: [0, 65_535, Uint16Array],
} as const;
type WholeType = keyof typeof WHOLE;

const isWhole = (type: TensorType): type is WholeType => type in WHOLE;

/**
 * Lets a sidecar load a model.
 * @param request which file, and under which number it is run
 * @throws WorkerStartError in the sidecar's words when it does not take the file; SidecarLostError
 */
export const openSidecarSession = async (
  connection: SidecarConnection,
  hello: SidecarHello,
  request: Parameters<SidecarConnection['load']>[0],
): Promise<ModelSession> => {
  try {
    return new SidecarSession(connection, hello, request.model, await connection.load(request));
  } catch (error) {
    if (!(error instanceof SidecarRefusedError)) throw error;
    throw new WorkerStartError('worker-start-failed', `${hello.name} does not load the model: ${error.message}`);
  }
};

/** A model in a sidecar. Its quantised inputs and outputs are numbers on this side. */
class SidecarSession implements ModelSession {
  readonly provider: EffectiveProvider;
  readonly isCompiled = true;
  readonly #connection: SidecarConnection;
  readonly #name: string;
  readonly #model: number;
  readonly #inputs: readonly SidecarPort[];
  readonly #outputs: readonly SidecarPort[];

  constructor(
    connection: SidecarConnection,
    { name, provider }: SidecarHello,
    model: number,
    { effective, reason, inputs, outputs }: SidecarModel,
  ) {
    this.#connection = connection;
    this.#name = name;
    this.#model = model;
    this.#inputs = inputs;
    this.#outputs = outputs;
    const rejected = effective === provider ? [] : [{ provider, reason: reason ?? `${name} does not say why` }];
    this.provider = { requested: [provider], effective, rejected };
  }

  get inputs(): readonly ModelInput[] {
    return this.#inputs.map(({ name, type, shape }) => {
      // What it can be made of here.
      const ours = type === 'float16' || isWhole(type) ? 'float32' : type;
      return { name, isTensor: true, type: ours, shape: shape.map((size) => (size < 0 ? 'any' : size)) };
    });
  }

  get outputNames(): readonly string[] {
    return this.#outputs.map(({ name }) => name);
  }

  runOn(input: string, values: Float32Array, shape: readonly number[]): Run {
    const port = this.#inputs.find(({ name }) => name === input);
    if (port === undefined) throw new RangeError(`there is no input "${input}"`);
    const fill = filler(port, values);
    return async (wanted) => {
      const tensor: SidecarTensor = { name: input, type: port.type, shape: [...shape], bytes: fill() };
      try {
        const outputs = await this.#connection.run(this.#model, [tensor], wanted);
        return Object.fromEntries(outputs.map((output) => [output.name, this.#numbers(output)]));
      } catch (error) {
        if (error instanceof SidecarRefusedError) {
          throw new FrameError('frame-failed', `${this.#name}: ${error.message}`);
        }
        throw error;
      }
    };
  }

  ping(): Promise<void> {
    return this.#connection.ping();
  }

  async release(): Promise<void> {
    this.#connection.close();
  }

  #numbers(tensor: SidecarTensor): OutputTensor {
    const port = this.#outputs.find(({ name }) => name === tensor.name);
    const elements = numbersIn(tensor);
    const { scale, zeroPoint = 0 } = port ?? {};
    const data = scale === undefined ? elements : Float32Array.from(elements, (one) => (one - zeroPoint) * scale);
    return { type: data instanceof Float32Array ? 'float32' : tensor.type, dims: tensor.shape, data };
  }
}

const bytesIn = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

/** Makes numbers into the elements of an input, at each call. Quantised ones are rounded to the nearest and kept in range. */
const filler = ({ type, scale = 1, zeroPoint = 0 }: SidecarPort, values: Float32Array): (() => Uint8Array) => {
  if (type === 'float16') {
    const halves = new Float16Array(values.length);
    return () => {
      halves.set(values);
      return bytesIn(halves);
    };
  }
  if (!isWhole(type)) return () => bytesIn(values);
  const [least, most, Elements] = WHOLE[type];
  const elements = new Elements(values.length);
  const perStep = 1 / scale;
  return () => {
    for (let i = 0; i < elements.length; i += 1) {
      const element = Math.round((values[i] as number) * perStep) + zeroPoint;
      elements[i] = Math.max(least, Math.min(element, most));
    }
    return bytesIn(elements);
  };
};
