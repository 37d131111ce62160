/** One dense layer: `rows` values in, `columns` out, y = x · weights + bias; weights row by row. */
export interface DenseLayer {
  readonly rows: number;
  readonly columns: number;
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/**
 * An ONNX file of dense layers with Relu between them: input `x` of the given shape (flattened first), output `y` of
 * 1 × columns of the last. Written field by field from onnx.proto3, so that tests need no other part of the workspace.
 */
export function denseModel(inputShape: readonly number[], layers: readonly DenseLayer[]): Buffer {
  const nodes: Buffer[] = [node('Flatten', ['x'], 'h0')];
  const tensors: Buffer[] = [];
  layers.forEach((layer, i) => {
    const last = i === layers.length - 1;
    nodes.push(node('Gemm', [`h${i}`, `w${i}`, `b${i}`], last ? 'y' : `g${i}`));
    if (!last) nodes.push(node('Relu', [`g${i}`], `h${i + 1}`));
    tensors.push(tensor(`w${i}`, [layer.rows, layer.columns], layer.weights));
    tensors.push(tensor(`b${i}`, [layer.columns], layer.bias));
  });
  const graph = Buffer.concat([
    ...nodes.map((one) => field(1, one)),
    field(2, text('dense')),
    ...tensors.map((one) => field(5, one)),
    field(11, valueInfo('x', inputShape)),
    field(12, valueInfo('y', [1, layers.at(-1)?.columns ?? 0])),
  ]);
  const opset = field(8, number(2, 17));
  return Buffer.concat([number(1, 8), field(7, graph), opset]);
}

function node(operator: string, inputs: readonly string[], output: string): Buffer {
  return Buffer.concat([
    ...inputs.map((input) => field(1, text(input))),
    field(2, text(output)),
    field(4, text(operator)),
  ]);
}

function tensor(name: string, shape: readonly number[], values: Float32Array): Buffer {
  const raw = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return Buffer.concat([...shape.map((size) => number(1, size)), number(2, 1), field(8, text(name)), field(9, raw)]);
}

function valueInfo(name: string, shape: readonly number[]): Buffer {
  const dimensions = field(2, Buffer.concat(shape.map((size) => field(1, number(1, size)))));
  return Buffer.concat([field(1, text(name)), field(2, field(1, Buffer.concat([number(1, 1), dimensions])))]);
}

/** Protocol Buffers: a base-128 varint, least significant group first. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

function number(tag: number, value: number): Buffer {
  return Buffer.concat([varint(tag << 3), varint(value)]);
}

function field(tag: number, content: Buffer): Buffer {
  return Buffer.concat([varint((tag << 3) | 2), varint(content.length), content]);
}

function text(value: string): Buffer {
  return Buffer.from(value, 'utf8');
}
