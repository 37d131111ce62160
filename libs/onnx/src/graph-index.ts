import { GRAPH, NODE, type OnnxModel, tensorName, VALUE_INFO } from './model.ts';
import { allBytesOf, bytesOf, decodeText, type Field, integersOf, readFields, textOf } from './wire.ts';

export interface GraphNode {
  /** Its name, or that of its first output when it has none. */
  readonly label: string;
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly fields: readonly Field[];
}

/** AttributeProto, as far as it is read here. */
const ATTRIBUTE = { name: 1, float: 2, integer: 3, graph: 6, graphs: 11 } as const;

const readNode = (bytes: Uint8Array): GraphNode => {
  const fields = readFields(bytes);
  const outputs = allBytesOf(fields, NODE.output).map(decodeText);
  return {
    label: textOf(fields, NODE.name) || (outputs[0] ?? ''),
    operator: textOf(fields, NODE.opType) ?? '',
    inputs: allBytesOf(fields, NODE.input).map(decodeText),
    outputs,
    fields,
  };
};

/** Names that a graph's nodes take in, those of the graphs inside `If` and `Loop` included. */
const namesUsed = (nodes: readonly GraphNode[]): string[] =>
  nodes.flatMap(({ inputs, fields }) => [
    ...inputs,
    ...allBytesOf(fields, NODE.attribute).flatMap((attribute) => {
      const parts = readFields(attribute);
      const inner = [...allBytesOf(parts, ATTRIBUTE.graph), ...allBytesOf(parts, ATTRIBUTE.graphs)].map(readFields);
      return inner.flatMap((graph) => namesUsed(allBytesOf(graph, GRAPH.node).map(readNode)));
    }),
  ]);

/** Which node makes what, and who uses it. */
export class GraphIndex {
  readonly nodes: readonly GraphNode[];
  /** Names of the graph's outputs, in their order. */
  readonly outputs: readonly string[];
  private readonly producers = new Map<string, GraphNode>();
  private readonly tensors = new Map<string, readonly Field[]>();
  private readonly uses = new Map<string, number>();

  constructor({ graph }: OnnxModel) {
    this.nodes = allBytesOf(graph, GRAPH.node).map(readNode);
    this.outputs = allBytesOf(graph, GRAPH.output).map((value) => textOf(readFields(value), VALUE_INFO.name) ?? '');
    for (const node of this.nodes) for (const output of node.outputs) this.producers.set(output, node);
    for (const bytes of allBytesOf(graph, GRAPH.initializer)) {
      const tensor = readFields(bytes);
      this.tensors.set(tensorName(tensor), tensor);
    }
    for (const name of [...namesUsed(this.nodes), ...this.outputs]) {
      this.uses.set(name, (this.uses.get(name) ?? 0) + 1);
    }
  }

  producer(name: string): GraphNode | undefined {
    return this.producers.get(name);
  }

  initializer(name: string): readonly Field[] | undefined {
    return this.tensors.get(name);
  }

  /** How often a value is taken in by a node, or given out by the graph. */
  useCount(name: string): number {
    return this.uses.get(name) ?? 0;
  }
}

const attributeOf = (node: GraphNode, name: string): readonly Field[] | undefined =>
  allBytesOf(node.fields, NODE.attribute)
    .map(readFields)
    .find((attribute) => textOf(attribute, ATTRIBUTE.name) === name);

/** A whole-number attribute of a node. */
export const integerAttribute = (node: GraphNode, name: string, otherwise: number): number => {
  const attribute = attributeOf(node, name);
  return Number((attribute === undefined ? undefined : integersOf(attribute, ATTRIBUTE.integer).at(-1)) ?? otherwise);
};

/** A 32-bit float attribute of a node. */
export const floatAttribute = (node: GraphNode, name: string, otherwise: number): number => {
  const value = attributeOf(node, name)?.findLast(
    ({ number, type }) => number === ATTRIBUTE.float && type === 5,
  )?.value;
  if (value === undefined || typeof value === 'bigint') return otherwise;
  return new DataView(value.buffer, value.byteOffset, value.byteLength).getFloat32(0, true);
};

/** Number of dimensions that the graph says of a value; undefined when it says nothing. */
export const rankOf = ({ graph }: OnnxModel, name: string): number | undefined => {
  const value = [GRAPH.valueInfo, GRAPH.input, GRAPH.output]
    .flatMap((number) => allBytesOf(graph, number).map(readFields))
    .find((fields) => textOf(fields, VALUE_INFO.name) === name);
  const type = value === undefined ? undefined : bytesOf(value, VALUE_INFO.type);
  const tensor = type === undefined ? undefined : bytesOf(readFields(type), 1);
  const shape = tensor === undefined ? undefined : bytesOf(readFields(tensor), 2);
  return shape === undefined ? undefined : allBytesOf(readFields(shape), 1).length;
};
