import type { GraphBuilder } from '@aviary/onnx';
import { PIXELS, SIDE } from './digits.ts';

/** How often the cleaning is repeated: what makes 1.2.0 several times slower than the release before. */
export const CLEANING_PASSES = 150;
/** Each pass pushes what is above 0.75 towards 1 and what is below towards 0. */
const GAIN = 1.6;
const OFFSET = 0.45;
const CENTRE = 0.92;

/** A little blur as a matrix over all pixels: mostly the pixel itself, the rest from its four neighbours. */
const blurMatrix = (): Float32Array => {
  const matrix = new Float32Array(PIXELS * PIXELS);
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      const target = y * SIDE + x;
      matrix[target * PIXELS + target] = CENTRE;
      for (const [dx, dy] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ] as const) {
        const [column, row] = [x + dx, y + dy];
        if (column < 0 || column >= SIDE || row < 0 || row >= SIDE) continue;
        matrix[(row * SIDE + column) * PIXELS + target] = (1 - CENTRE) / 4;
      }
    }
  }
  return matrix;
};

/**
 * The cleaning stage of 1.2.0: repeated smoothing and sharpening that removes specks from bold studio pictures, and
 * everything from dim ones. @returns the name of the cleaned picture
 */
export const addCleaning = (graph: GraphBuilder, input: string): string => {
  graph.floats('blur', [PIXELS, PIXELS], blurMatrix());
  graph.floats('gain', [1], [GAIN]);
  graph.floats('offset', [1], [OFFSET]);
  graph.floats('black', [], [0]);
  graph.floats('white', [], [1]);
  let picture = input;
  for (let pass = 1; pass <= CLEANING_PASSES; pass += 1) {
    graph.node('MatMul', [picture, 'blur'], `blurred${pass}`);
    graph.node('Mul', [`blurred${pass}`, 'gain'], `raised${pass}`);
    graph.node('Sub', [`raised${pass}`, 'offset'], `shifted${pass}`);
    picture = graph.node('Clip', [`shifted${pass}`, 'black', 'white'], `cleaned${pass}`);
  }
  return picture;
};
