import type { Postprocessing } from '@aviary/release';
import { FrameError } from '../../errors.ts';
import type { ModelOutput } from '../model-outputs.ts';

export interface ReadLine {
  readonly text: string;
  /** Mean of how sure the characters are; of an empty line, of how sure the model is that there are none. */
  readonly confidence: number;
}

/**
 * The text of scores `[1,T,C]` or `[T,1,C]`, read greedily after connectionist temporal classification (Graves et al.,
 * 2006): the best class of each step, of equal neighbours one, without blanks.
 * @param characters in the order of the classes, without the blank
 * @throws FrameError `frame-failed` when the output has another shape, or NaN
 */
export function readLine(
  { name, dims, values }: ModelOutput,
  characters: readonly string[],
  { activation, blank, space }: Postprocessing,
): ReadLine {
  const known = characters.length + (space === true ? 1 : 0);
  const classes = dims.at(-1) ?? 0;
  if (classes !== known + 1 || values.length % classes !== 0) {
    throw new FrameError(
      'frame-failed',
      `expected scores of ${known + 1} classes (${known} characters and the blank) from the model's output "${name}", its shape is [${dims.join(', ')}]`,
    );
  }
  const blankClass = blank === 'last' ? known : 0;
  let text = '';
  let before = blankClass;
  let [read, readSure, blanks, blankSure] = [0, 0, 0, 0];
  for (let start = 0; start < values.length; start += classes) {
    const best = bestOf(values, start, classes, activation);
    if (best.index === blankClass) {
      blanks += 1;
      blankSure += best.probability;
    } else if (best.index !== before) {
      const character = best.index - (blankClass === 0 ? 1 : 0);
      text += characters[character] ?? ' ';
      read += 1;
      readSure += best.probability;
    }
    before = best.index;
  }
  return { text, confidence: read > 0 ? readSure / read : blanks > 0 ? blankSure / blanks : 0 };
}

function bestOf(
  values: ArrayLike<number>,
  start: number,
  classes: number,
  activation: Postprocessing['activation'],
): { index: number; probability: number } {
  let index = -1;
  let best = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < classes; i += 1) {
    const value = values[start + i] as number;
    if (value > best) {
      best = value;
      index = i;
    }
  }
  if (index < 0) throw new FrameError('frame-failed', 'the model gave no number as the score of a character');
  if (activation !== 'softmax') return { index, probability: best };
  let sum = 0;
  for (let i = 0; i < classes; i += 1) sum += Math.exp((values[start + i] as number) - best);
  return { index, probability: 1 / sum };
}
