import { GRAPH, MODEL, NODE, TENSOR, VALUE_INFO } from './model.ts';
import { bytesField, type Field, floatField, messageField, textField, varintField, writeFields } from './wire.ts';

/** TensorProto.DataType. */
export const ELEMENT = { float32: 1, int64: 7, float16: 10 } as const;
export type ElementType = keyof typeof ELEMENT;

/** A fixed size, or the name of a free dimension; without a name it is simply not known. */
export type Shape = readonly (number | string)[];
export type Attribute = number | string | readonly number[] | { readonly float: number };

const OPSET = 18;
/** The IR version that goes with that operator set (onnx/docs/Versioning.md). */
const IR_VERSION = 8;

/** AttributeProto: field and type number of each kind of value. */
const attribute = (name: string, value: Attribute): Field => {
  const head = textField(1, name);
  if (typeof value === 'number') return messageField(NODE.attribute, [head, varintField(3, value), varintField(20, 2)]);
  if (typeof value === 'string') return messageField(NODE.attribute, [head, textField(4, value), varintField(20, 3)]);
  if ('float' in value) return messageField(NODE.attribute, [head, floatField(2, value.float), varintField(20, 1)]);
  return messageField(NODE.attribute, [head, ...value.map((item) => varintField(8, item)), varintField(20, 7)]);
};

/** ValueInfoProto of a tensor. */
export const valueInfoField = (field: number, name: string, type: ElementType, shape: Shape): Field => {
  const dimensions = shape.map((size) =>
    messageField(1, size === '' ? [] : [typeof size === 'number' ? varintField(1, size) : textField(2, size)]),
  );
  const tensorType = messageField(1, [varintField(1, ELEMENT[type]), messageField(2, dimensions)]);
  return messageField(field, [textField(VALUE_INFO.name, name), messageField(VALUE_INFO.type, [tensorType])]);
};

/** TensorProto with its values as little-endian bytes. */
export const tensorField = (
  field: number,
  name: string,
  type: ElementType,
  dims: readonly number[],
  raw: Uint8Array,
): Field =>
  messageField(field, [
    ...dims.map((size) => varintField(TENSOR.dims, size)),
    varintField(TENSOR.dataType, ELEMENT[type]),
    textField(TENSOR.name, name),
    bytesField(TENSOR.rawData, raw),
  ]);

/** NodeProto. */
export const nodeField = (
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): Field =>
  messageField(GRAPH.node, [
    ...inputs.map((name) => textField(NODE.input, name)),
    ...outputs.map((name) => textField(NODE.output, name)),
    textField(NODE.name, `${operator}:${outputs[0]}`),
    textField(NODE.opType, operator),
    ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  ]);

/** Puts a graph of standard operators together, in the order in which they run. */
export class GraphBuilder {
  private readonly nodes: Field[] = [];
  private readonly initializers: Field[] = [];
  private readonly inputs: Field[] = [];
  private readonly outputs: Field[] = [];
  private readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  input(name: string, type: ElementType, shape: Shape): string {
    this.inputs.push(valueInfoField(GRAPH.input, name, type, shape));
    return name;
  }

  output(name: string, type: ElementType, shape: Shape): void {
    this.outputs.push(valueInfoField(GRAPH.output, name, type, shape));
  }

  /** A constant of 32-bit floats, row by row. */
  floats(name: string, dims: readonly number[], values: ArrayLike<number>): string {
    const raw = new Uint8Array(Float32Array.from(values).buffer);
    this.initializers.push(tensorField(GRAPH.initializer, name, 'float32', dims, raw));
    return name;
  }

  /** A constant of 64-bit integers. */
  integers(name: string, dims: readonly number[], values: readonly number[]): string {
    const raw = new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
    this.initializers.push(tensorField(GRAPH.initializer, name, 'int64', dims, raw));
    return name;
  }

  /** Adds an operator with one output. @returns the output's name */
  node(
    operator: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    this.nodes.push(nodeField(operator, inputs, [output], attributes));
    return output;
  }

  /** The bytes of the ONNX file. */
  build(): Uint8Array {
    const graph = [
      ...this.nodes,
      textField(GRAPH.name, this.name),
      ...this.initializers,
      ...this.inputs,
      ...this.outputs,
    ];
    return writeFields([
      varintField(MODEL.irVersion, IR_VERSION),
      textField(MODEL.producer, 'aviary'),
      messageField(MODEL.graph, graph),
      messageField(MODEL.opsetImport, [textField(1, ''), varintField(2, OPSET)]),
    ]);
  }
}
