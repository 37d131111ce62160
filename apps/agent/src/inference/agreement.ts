import type { Task } from '@aviary/release';
import type { DetectedObject, FrameAnswer, RawOutput } from './frame.ts';

/** Two boxes are of the same thing when they share so much of what they cover together. */
const SAME_THING_IOU = 0.5;

/**
 * How far two releases say the same of one frame, 0 to 1.
 *
 * | task | agreement |
 * |---|---|
 * | classification, text | 1 when the label is the same |
 * | detection, and objects of a cascade without a label | F1 of boxes matched one to one, with the same label and IoU ≥ 0.5; nothing found by both is 1 |
 * | segmentation | share of pixels that both have given to the labels alike: 1 less half the sum of differences |
 * | embedding | cosine of the vectors, not under 0 |
 * | raw | 1 when each number of each output is within the tolerance |
 *
 * @param tolerance of raw numbers
 */
export const agreementOf = (task: Task, serving: FrameAnswer, candidate: FrameAnswer, tolerance: number): number => {
  switch (task) {
    case 'classification':
    case 'text':
      return serving.label === candidate.label ? 1 : 0;
    case 'detection':
      return objectsF1(serving.objects ?? [], candidate.objects ?? []);
    case 'segmentation':
      return equalShares(serving.shares ?? {}, candidate.shares ?? {});
    case 'embedding':
      return serving.vector === undefined || candidate.vector === undefined
        ? objectsF1(serving.objects ?? [], candidate.objects ?? [])
        : cosine(serving.vector, candidate.vector);
    case 'raw':
      return isWithin(serving.outputs ?? [], candidate.outputs ?? [], tolerance) ? 1 : 0;
  }
};

/** Pairs the boxes that overlap most first; each is in one pair at most. */
const objectsF1 = (one: readonly DetectedObject[], other: readonly DetectedObject[]): number => {
  if (one.length === 0 && other.length === 0) return 1;
  const pairs = one
    .flatMap((mine, i) =>
      other.map((theirs, j) => ({ i, j, iou: mine.label === theirs.label ? iouOf(mine, theirs) : 0 })),
    )
    .filter(({ iou }) => iou >= SAME_THING_IOU)
    .sort((left, right) => right.iou - left.iou);
  const mine = new Set<number>();
  const theirs = new Set<number>();
  for (const { i, j } of pairs) {
    if (mine.has(i) || theirs.has(j)) continue;
    mine.add(i);
    theirs.add(j);
  }
  return (2 * mine.size) / (one.length + other.length);
};

const iouOf = ({ box: a }: DetectedObject, { box: b }: DetectedObject): number => {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (a.width * a.height + b.width * b.height - shared);
};

type Shares = Readonly<Record<string, number>>;

const equalShares = (one: Shares, other: Shares): number => {
  const labels = new Set([...Object.keys(one), ...Object.keys(other)]);
  const differences = [...labels].map((label) => Math.abs((one[label] ?? 0) - (other[label] ?? 0)));
  return within01(1 - differences.reduce((sum, difference) => sum + difference, 0) / 2);
};

/** Of vectors of length 1; of vectors of another number of values nothing can be said but that they differ. */
const cosine = (one: readonly number[], other: readonly number[]): number => {
  if (one.length !== other.length) return 0;
  return within01(one.reduce((sum, value, i) => sum + value * (other[i] ?? 0), 0));
};

const isWithin = (one: readonly RawOutput[], other: readonly RawOutput[], tolerance: number): boolean =>
  one.length === other.length &&
  one.every(({ name, shape, values }, i) => {
    const theirs = other[i];
    if (theirs === undefined || theirs.name !== name || theirs.shape.join() !== shape.join()) return false;
    return (
      theirs.values.length === values.length &&
      values.every((value, place) => {
        const their = theirs.values[place] ?? Number.NaN;
        return Object.is(value, their) || Math.abs(value - their) <= tolerance;
      })
    );
  });

/** Rounding errors lead a little beyond, and what is no number agrees with nothing. */
const within01 = (value: number): number => (Number.isNaN(value) ? 0 : Math.min(1, Math.max(0, value)));
