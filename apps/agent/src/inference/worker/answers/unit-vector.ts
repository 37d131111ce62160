import { FrameError } from '../../errors.ts';

/** A vector of length 1 (L2) in the direction of the given one. @throws FrameError `frame-failed` for one without any. */
export function unitVector(values: ArrayLike<number>): number[] {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += (values[i] as number) ** 2;
  const length = Math.sqrt(sum);
  if (!(length > 0 && Number.isFinite(length))) {
    throw new FrameError('frame-failed', `expected a vector with a direction from the model, its length is ${length}`);
  }
  return Array.from(values, (value) => value / length);
}
