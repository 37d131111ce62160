import {
  allBytesOf,
  bytesOf,
  decodeText,
  type Field,
  integersOf,
  readFields,
  textOf,
  WireError,
  writeFields,
} from './wire.ts';

/** Field numbers of onnx.proto (ONNX 1.17, IR version 10). */
export const MODEL = { irVersion: 1, producer: 2, graph: 7, opsetImport: 8 } as const;
export const GRAPH = { node: 1, name: 2, initializer: 5, input: 11, output: 12, valueInfo: 13 } as const;
export const NODE = { input: 1, output: 2, name: 3, opType: 4, attribute: 5 } as const;
export const TENSOR = { dims: 1, dataType: 2, floatData: 4, name: 8, rawData: 9, dataLocation: 14 } as const;
export const VALUE_INFO = { name: 1, type: 2 } as const;

/** TensorProto.DataType, as far as names help people. */
const ELEMENT_TYPES: Record<number, string> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  16: 'bfloat16',
};

/** The file is no ONNX model; says what it seems to be. */
export class NotAnOnnxModelError extends Error {
  readonly code = 'onnx-invalid';
}

/** An ONNX file as its fields; whatever is not touched keeps its bytes. */
export interface OnnxModel {
  readonly fields: readonly Field[];
  readonly graph: readonly Field[];
}

const SIGNATURES: readonly (readonly [string, string])[] = [
  ['\u0089PNG', 'a PNG picture'],
  ['\u00ff\u00d8\u00ff', 'a JPEG picture'],
  ['PK\u0003\u0004', 'a ZIP archive (a PyTorch or Keras file, perhaps; export it to ONNX)'],
  ['\u0089HDF', 'an HDF5 file (Keras, perhaps; export it to ONNX)'],
  ['GGUF', 'a GGUF model'],
  ['\u007fELF', 'a program'],
];

const guess = (bytes: Uint8Array): string => {
  if (bytes.length === 0) return 'an empty file';
  const head = String.fromCharCode(...bytes.subarray(0, 64));
  const known = SIGNATURES.find(([signature]) => head.startsWith(signature));
  if (known !== undefined) return known[1];
  if (head.slice(4, 8) === 'TFL3') return 'a TensorFlow Lite model';
  if (head.startsWith('version https://git-lfs')) return 'a Git LFS pointer: fetch the file with git lfs pull';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is what makes text
  if (/^[^\u0000-\u0008\u000e-\u001f]*$/.test(head))
    return `text that begins with ${JSON.stringify(head.slice(0, 24))}`;
  return `${bytes.length} bytes of something else`;
};

/**
 * Reads an ONNX file.
 * @throws NotAnOnnxModelError
 */
export const readModel = (bytes: Uint8Array): OnnxModel => {
  try {
    const fields = readFields(bytes);
    const graphBytes = bytesOf(fields, MODEL.graph);
    const version = integersOf(fields, MODEL.irVersion).at(-1);
    if (graphBytes === undefined || version === undefined) throw new WireError('no graph or no IR version');
    const graph = readFields(graphBytes);
    if (allBytesOf(graph, GRAPH.output).length === 0) throw new WireError('a graph without outputs');
    return { fields, graph };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new NotAnOnnxModelError(`Expected an ONNX model, found ${guess(bytes)}.`);
  }
};

/** The bytes of a model; of an untouched one the same that were read. */
export const writeModel = (model: OnnxModel): Uint8Array => writeFields(model.fields);

/** The model with another graph; everything else keeps its bytes. */
export const withGraph = (model: OnnxModel, graph: readonly Field[]): OnnxModel => ({
  fields: model.fields.map((field) =>
    field.number === MODEL.graph ? { number: MODEL.graph, type: 2, value: writeFields(graph) } : field,
  ),
  graph,
});

export interface ValueDescription {
  readonly name: string;
  /** E.g. `float32`. */
  readonly elementType: string;
  /** A number for a fixed dimension, a name for a free one; undefined when the model does not say. */
  readonly shape: readonly (number | string)[] | undefined;
}

export interface ModelDescription {
  readonly irVersion: number;
  /** Of the default operator set. */
  readonly opset: number;
  readonly producer: string;
  readonly inputs: readonly ValueDescription[];
  readonly outputs: readonly ValueDescription[];
  readonly nodes: number;
  readonly initializers: number;
  /** Bytes of all initialisers. */
  readonly initializerBytes: number;
}

const describeValue = (bytes: Uint8Array): ValueDescription => {
  const fields = readFields(bytes);
  const tensor = readFields(
    bytesOf(readFields(bytesOf(fields, VALUE_INFO.type) ?? new Uint8Array()), 1) ?? new Uint8Array(),
  );
  const shape = bytesOf(tensor, 2);
  const type = Number(integersOf(tensor, 1).at(-1) ?? 0n);
  return {
    name: textOf(fields, VALUE_INFO.name) ?? '',
    elementType: ELEMENT_TYPES[type] ?? `type ${type}`,
    shape:
      shape === undefined
        ? undefined
        : allBytesOf(readFields(shape), 1).map((dimension) => {
            const parts = readFields(dimension);
            const size = integersOf(parts, 1).at(-1);
            return size === undefined ? (textOf(parts, 2) ?? '?') : Number(size);
          }),
  };
};

export const tensorName = (tensor: readonly Field[]): string => {
  const bytes = bytesOf(tensor, TENSOR.name);
  return bytes === undefined ? '' : decodeText(bytes);
};

/** What a model says of itself. Inputs that have an initialiser are weights, and left out. */
export const describeModel = ({ fields, graph }: OnnxModel): ModelDescription => {
  const initializers = allBytesOf(graph, GRAPH.initializer);
  const weights = new Set(initializers.map((bytes) => tensorName(readFields(bytes))));
  const opset = allBytesOf(fields, MODEL.opsetImport)
    .map(readFields)
    .find((entry) => (textOf(entry, 1) ?? '') === '');
  return {
    irVersion: Number(integersOf(fields, MODEL.irVersion).at(-1) ?? 0n),
    opset: Number((opset === undefined ? undefined : integersOf(opset, 2).at(-1)) ?? 0n),
    producer: textOf(fields, MODEL.producer) ?? '',
    inputs: allBytesOf(graph, GRAPH.input)
      .map(describeValue)
      .filter(({ name }) => !weights.has(name)),
    outputs: allBytesOf(graph, GRAPH.output).map(describeValue),
    nodes: allBytesOf(graph, GRAPH.node).length,
    initializers: initializers.length,
    initializerBytes: initializers.reduce((total, { length }) => total + length, 0),
  };
};
