import { closeSync, readSync, renameSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { env, InferenceSession, Tensor } from 'onnxruntime-node';

// A sidecar after docs/sidecars.md that runs ONNX files with ONNX Runtime. It is written to be read by whoever writes one, so
// it uses nothing of the agent's. The agent needs no sidecar for ONNX Runtime: `--runtime`, `--format` and `--provider` say for
// what this one stands, and `--exclusive` that it is like an accelerator that only one process can use.

const SOCKET = 3;
const PROTOCOL = 1;
const MOST_HEAD_BYTES = 1024 * 1024;
const MOST_BODY_BYTES = 256 * 1024 * 1024;

const { values: options } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'tensorrt' },
    format: { type: 'string', default: 'onnx' },
    provider: { type: 'string', default: 'cpu' },
    exclusive: { type: 'boolean', default: false },
  },
});

/** What the protocol calls ONNX Runtime's types. */
type Type =
  | 'float32'
  | 'float64'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'bool';
const VIEWS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;
const isType = (type: string): type is Type => type in VIEWS;

interface Head {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
}

type Request = { readonly id: number } & (
  | { readonly kind: 'hello'; readonly protocol: number }
  | { readonly kind: 'ping' }
  | { readonly kind: 'load'; readonly model: number; readonly file: string; readonly threads: number }
  | {
      readonly kind: 'run';
      readonly model: number;
      readonly inputs: readonly Head[];
      readonly outputs: readonly string[];
    }
  | { readonly kind: 'prepare'; readonly file: string; readonly into: string }
);

/** Something that was asked for cannot be done; the sidecar goes on. */
class Refusal extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** So many bytes of the socket; null where it ended before the first of them. */
const read = (length: number): Buffer | null => {
  const bytes = Buffer.alloc(length);
  for (let offset = 0; offset < length; ) {
    const count = readSync(SOCKET, bytes, offset, length - offset, null);
    if (count === 0) {
      if (offset === 0) return null;
      throw new Error('the connection ended in the middle of a message');
    }
    offset += count;
  }
  return bytes;
};

const write = (bytes: Uint8Array): void => {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(SOCKET, bytes, offset);
};

/** The next message; null where the agent has closed the connection. @throws for what is no message */
const readMessage = (): { head: Request; body: Buffer } | null => {
  const prefix = read(8);
  if (prefix === null) return null;
  const [headLength, bodyLength] = [prefix.readUInt32LE(0), prefix.readUInt32LE(4)];
  // Before memory is taken for them.
  if (headLength < 2 || headLength > MOST_HEAD_BYTES || bodyLength > MOST_BODY_BYTES) throw new Error('no message');
  const head = read(headLength);
  const body = bodyLength === 0 ? Buffer.alloc(0) : read(bodyLength);
  if (head === null || body === null) throw new Error('the connection ended in the middle of a message');
  return { head: JSON.parse(head.toString('utf8')), body };
};

const say = (head: object, tensors: readonly Uint8Array[] = []): void => {
  const json = Buffer.from(JSON.stringify(head));
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32LE(json.length, 0);
  prefix.writeUInt32LE(
    tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
    4,
  );
  write(Buffer.concat([prefix, json]));
  for (const tensor of tensors) write(tensor);
};

const models = new Map<number, InferenceSession>();

/** A model's inputs or outputs, as the protocol writes them. @throws Refusal */
const portsOf = (metadata: InferenceSession['inputMetadata']): Head[] =>
  metadata.map((port) => {
    if (!port.isTensor || !isType(port.type)) {
      throw new Refusal('model-refused', `"${port.name}" is ${port.isTensor ? port.type : 'no tensor'}`);
    }
    const shape = port.shape.map((size) => (typeof size === 'number' ? size : -1));
    return { name: port.name, type: port.type, shape };
  });

const open = async (file: string, threads: number): Promise<InferenceSession> => {
  try {
    return await InferenceSession.create(file, { intraOpNumThreads: threads, interOpNumThreads: 1 });
  } catch (error) {
    throw new Refusal('model-refused', `ONNX Runtime: ${messageOf(error)}`);
  }
};

const load = async ({ model, file, threads }: Extract<Request, { kind: 'load' }>): Promise<object> => {
  const session = await open(file, threads);
  const ports = { inputs: portsOf(session.inputMetadata), outputs: portsOf(session.outputMetadata) };
  models.set(model, session);
  const reason = options.provider === 'cpu' ? {} : { reason: 'this sidecar runs models on the processor' };
  return { kind: 'loaded', effective: 'cpu', ...reason, ...ports };
};

/** The inputs of a run, cut out of its body. @throws Refusal */
const feedsOf = (session: InferenceSession, heads: readonly Head[], body: Buffer): Record<string, Tensor> => {
  let start = 0;
  const feeds: Record<string, Tensor> = {};
  for (const { name, type, shape } of heads) {
    const wanted = portsOf(session.inputMetadata).find((port) => port.name === name);
    const fits =
      wanted !== undefined &&
      wanted.type === type &&
      wanted.shape.length === shape.length &&
      wanted.shape.every((size, i) => size === -1 || size === shape[i]);
    if (!fits || !isType(type)) {
      const takes = wanted === undefined ? 'no such input' : `${wanted.type} of ${wanted.shape.join('×')}`;
      throw new Refusal('tensor-refused', `the model has ${takes}, got "${name}", ${type} of ${shape.join('×')}`);
    }
    const View = VIEWS[type];
    const elements = shape.reduce((product, size) => product * size, 1);
    const end = start + elements * View.BYTES_PER_ELEMENT;
    if (end > body.length) throw new Refusal('tensor-refused', `the body ends before "${name}" does`);
    // Memory of its own begins where elements of any size may.
    const { buffer } = Uint8Array.from(body.subarray(start, end));
    feeds[name] = new Tensor(type, new View(buffer) as never, [...shape]);
    start = end;
  }
  const missing = session.inputNames.filter((name) => !(name in feeds));
  if (missing.length > 0) throw new Refusal('tensor-refused', `the model also takes ${missing.join(', ')}`);
  if (start < body.length) throw new Refusal('tensor-refused', `${body.length - start} bytes too many`);
  return feeds;
};

const run = async ({ id, model, inputs, outputs }: Extract<Request, { kind: 'run' }>, body: Buffer): Promise<void> => {
  const session = models.get(model);
  if (session === undefined) throw new Refusal('model-unknown', `no model ${model} is loaded`);
  const feeds = feedsOf(session, inputs, body);
  const unknown = outputs.filter((name) => !session.outputNames.includes(name));
  if (unknown.length > 0) throw new Refusal('tensor-refused', `the model gives no ${unknown.join(', ')}`);
  let results: Awaited<ReturnType<InferenceSession['run']>>;
  try {
    results = await session.run(feeds, outputs);
  } catch (error) {
    throw new Refusal('run-failed', `ONNX Runtime: ${messageOf(error)}`);
  }
  const tensors = outputs.map((name) => ({ name, tensor: results[name] as Tensor }));
  say(
    {
      kind: 'ran',
      id,
      outputs: tensors.map(({ name, tensor }) => ({ name, type: tensor.type, shape: tensor.dims })),
    },
    tensors.map(({ tensor }) => {
      const { buffer, byteOffset, byteLength } = tensor.data as Float32Array;
      return new Uint8Array(buffer, byteOffset, byteLength);
    }),
  );
};

/** Writes the model as ONNX Runtime has optimised it for this processor: what is loaded of it needs that no more. */
const prepare = async ({ file, into }: Extract<Request, { kind: 'prepare' }>): Promise<object> => {
  const draft = `${into}.new`;
  try {
    const session = await InferenceSession.create(file, {
      optimizedModelFilePath: draft,
      graphOptimizationLevel: 'all',
    });
    await session.release();
    // Whole or not at all.
    renameSync(draft, into);
  } catch (error) {
    throw new Refusal('prepare-failed', `ONNX Runtime: ${messageOf(error)}`);
  }
  return { kind: 'prepared' };
};

const hello = (protocol: number): object => {
  if (protocol !== PROTOCOL) throw new Refusal('protocol-unsupported', `this sidecar speaks protocol ${PROTOCOL}`);
  const { runtime, format, provider, exclusive } = options;
  return {
    kind: 'hello',
    protocol: PROTOCOL,
    name: 'reference',
    runtime,
    version: env.versions.node ?? 'unknown',
    formats: [format],
    provider,
    prepares: [format],
    ...(exclusive ? { exclusive } : {}),
  };
};

const answer = async (request: Request, body: Buffer): Promise<void> => {
  const { id } = request;
  switch (request.kind) {
    case 'hello':
      return say({ id, ...hello(request.protocol) });
    case 'ping':
      return say({ id, kind: 'pong' });
    case 'load':
      return say({ id, ...(await load(request)) });
    case 'run':
      return run(request, body);
    case 'prepare':
      return say({ id, ...(await prepare(request)) });
    default:
      throw new Refusal('request-unknown', 'this sidecar does not know such a request');
  }
};

for (let message = readMessage(); message !== null; message = readMessage()) {
  try {
    await answer(message.head, message.body);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    say({ id: message.head.id, kind: 'error', code: error.code, words: error.message });
  }
}
closeSync(SOCKET);
// Not left to the event loop: a thread of the runtime must not keep a sidecar alive.
process.exit();
