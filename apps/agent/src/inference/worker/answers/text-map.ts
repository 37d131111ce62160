import type { DetectionSpec, Size } from '@aviary/release';
import { FrameError } from '../../errors.ts';
import type { ModelOutput } from '../model-outputs.ts';
import type { FoundObject, FoundObjects } from './found-object.ts';

interface Area {
  left: number;
  top: number;
  /** Of its last pixels. */
  right: number;
  bottom: number;
  pixels: number;
  sum: number;
}

/**
 * Lines of text in a map of how likely each pixel is part of one, `[1,1,H,W]`: what is over `mapThreshold` and hangs
 * together is an area; the box around it is as sure as the mean of its pixels, and is widened by
 * `area · unclip ÷ circumference` on all sides, since the model is trained to find the core of a line only (Liao et al., 2020, 3.3).
 * Boxes are upright: a line that runs askew gets the box around it.
 * @param tensor size of the model's input, of which the boxes are
 * @throws FrameError `frame-failed` when the output has another shape
 */
export function readTextMap(output: ModelOutput, spec: DetectionSpec, tensor: Size): FoundObjects {
  const [height, width] = output.dims.slice(-2);
  const { values } = output;
  if (height === undefined || width === undefined || height * width !== values.length) {
    throw new FrameError(
      'frame-failed',
      `expected a map [1, 1, H, W] from the model's output "${output.name}", its shape is [${output.dims.join(', ')}]`,
    );
  }
  const [acrossX, acrossY] = [tensor.width / width, tensor.height / height];
  const objects: FoundObject[] = [];
  let bestRejected = 0;
  for (const area of areasIn(values, width, height, spec.mapThreshold)) {
    const [across, down] = [area.right - area.left + 1, area.bottom - area.top + 1];
    if (across < spec.minSide || down < spec.minSide) continue;
    const score = area.sum / area.pixels;
    if (score < spec.scoreThreshold) {
      bestRejected = Math.max(bestRejected, score);
      continue;
    }
    const further = (across * down * spec.unclip) / (2 * (across + down));
    objects.push({
      index: 0,
      score,
      left: Math.max(0, area.left - further) * acrossX,
      top: Math.max(0, area.top - further) * acrossY,
      right: Math.min(width, area.right + 1 + further) * acrossX,
      bottom: Math.min(height, area.bottom + 1 + further) * acrossY,
    });
  }
  return { objects, bestRejected };
}

/** Areas of pixels over the threshold that touch each other, also at corners; filled from pixel to pixel without recursion. */
function* areasIn(values: ArrayLike<number>, width: number, height: number, threshold: number): Generator<Area> {
  const seen = new Uint8Array(values.length);
  const waiting: number[] = [];
  for (let start = 0; start < values.length; start += 1) {
    // Written so that NaN is not over it.
    if (seen[start] === 1 || !((values[start] as number) > threshold)) continue;
    const area: Area = { left: width, top: height, right: 0, bottom: 0, pixels: 0, sum: 0 };
    seen[start] = 1;
    waiting.push(start);
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const x = at % width;
      const y = (at - x) / width;
      area.left = Math.min(area.left, x);
      area.right = Math.max(area.right, x);
      area.top = Math.min(area.top, y);
      area.bottom = Math.max(area.bottom, y);
      area.pixels += 1;
      area.sum += values[at] as number;
      for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row += 1) {
        for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column += 1) {
          const next = row * width + column;
          if (seen[next] === 1 || !((values[next] as number) > threshold)) continue;
          seen[next] = 1;
          waiting.push(next);
        }
      }
    }
    yield area;
  }
}
