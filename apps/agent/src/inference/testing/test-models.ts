/** One dense layer: `rows` values in, `columns` out, y = x · weights + bias; weights row by row. */
export interface DenseLayer {
  readonly rows: number;
  readonly columns: number;
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/**
 * An ONNX file of dense layers with Relu between them: input `x` of the given shape (flattened first), output `y` of
 * 1 × columns of the last. A layer that is given several times is stored once. Written field by field from onnx.proto3, so that tests need no other part of the workspace.
 */
export function denseModel(inputShape: readonly number[], layers: readonly DenseLayer[]): Buffer {
  const nodes: Buffer[] = [node('Flatten', ['x'], 'h0')];
  const tensors: Buffer[] = [];
  layers.forEach((layer, i) => {
    const last = i === layers.length - 1;
    const stored = layers.indexOf(layer);
    nodes.push(node('Gemm', [`h${i}`, `w${stored}`, `b${stored}`], last ? 'y' : `g${i}`));
    if (!last) nodes.push(node('Relu', [`g${i}`], `h${i + 1}`));
    if (stored < i) return;
    tensors.push(tensor(`w${i}`, [layer.rows, layer.columns], layer.weights));
    tensors.push(tensor(`b${i}`, [layer.columns], layer.bias));
  });
  return modelFile(inputShape, layers.at(-1)?.columns ?? 0, nodes, tensors);
}

/**
 * An ONNX file of 3 × 3 convolutions with Relu over a gray picture, `depth` of them with the same weights after the first,
 * then the mean of each channel and one dense layer: input `x` of 1 × 1 × side × side, output `y` of 1 × outputs.
 * @param random draws from [0, 1).
 */
export function convolutionModel(
  shape: { readonly side: number; readonly channels: number; readonly depth: number; readonly outputs: number },
  random: () => number,
): Buffer {
  const { side, channels, depth, outputs } = shape;
  // He's variance keeps values from vanishing: denormal numbers would be slow.
  const weights = (count: number, fanIn: number): Float32Array =>
    Float32Array.from({ length: count }, () => (random() - 0.5) * Math.sqrt(24 / fanIn));
  const pads = attribute('pads', [1, 1, 1, 1]);
  const nodes = [node('Conv', ['x', 'first'], 'c0', pads), node('Relu', ['c0'], 'h0')];
  for (let i = 1; i <= depth; i += 1) {
    nodes.push(node('Conv', [`h${i - 1}`, 'next'], `c${i}`, pads), node('Relu', [`c${i}`], `h${i}`));
  }
  nodes.push(node('GlobalAveragePool', [`h${depth}`], 'mean'), node('Flatten', ['mean'], 'flat'));
  nodes.push(node('Gemm', ['flat', 'head'], 'y'));
  return modelFile([1, 1, side, side], outputs, nodes, [
    tensor('first', [channels, 1, 3, 3], weights(channels * 9, 9)),
    tensor('next', [channels, channels, 3, 3], weights(channels * channels * 9, channels * 9)),
    tensor('head', [channels, outputs], weights(channels * outputs, channels)),
  ]);
}

function modelFile(
  inputShape: readonly number[],
  outputs: number,
  nodes: readonly Buffer[],
  tensors: readonly Buffer[],
): Buffer {
  const graph = Buffer.concat([
    ...nodes.map((one) => field(1, one)),
    field(2, text('test')),
    ...tensors.map((one) => field(5, one)),
    field(11, valueInfo('x', inputShape)),
    field(12, valueInfo('y', [1, outputs])),
  ]);
  return Buffer.concat([number(1, 8), field(7, graph), field(8, number(2, 17))]);
}

/** A list of integers; 7 is INTS of AttributeProto's type. */
function attribute(name: string, values: readonly number[]): Buffer {
  return Buffer.concat([field(1, text(name)), ...values.map((value) => number(8, value)), number(20, 7)]);
}

function node(operator: string, inputs: readonly string[], output: string, ...attributes: readonly Buffer[]): Buffer {
  return Buffer.concat([
    ...inputs.map((input) => field(1, text(input))),
    field(2, text(output)),
    field(4, text(operator)),
    ...attributes.map((one) => field(5, one)),
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
