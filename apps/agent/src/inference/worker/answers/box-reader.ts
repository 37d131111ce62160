import type { DetectionSpec, Size } from '@aviary/release';

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Reads the four numbers of a box, `stride` apart from `start` on, as pixels of the model's input. */
export type ReadBox = (values: ArrayLike<number>, start: number, stride: number) => Box;

/** @param tensor size of the model's input */
export function boxReader({ boxes, unit }: Pick<DetectionSpec, 'boxes' | 'unit'>, tensor: Size): ReadBox {
  const [acrossX, acrossY] = unit === 'shares' ? [tensor.width, tensor.height] : [1, 1];
  return (values, start, stride) => {
    const [a, b, c, d] = [0, 1, 2, 3].map((i) => values[start + i * stride] as number) as [
      number,
      number,
      number,
      number,
    ];
    if (boxes === 'xyxy') return { left: a * acrossX, top: b * acrossY, right: c * acrossX, bottom: d * acrossY };
    if (boxes === 'yxyx') return { left: b * acrossX, top: a * acrossY, right: d * acrossX, bottom: c * acrossY };
    return {
      left: (a - c / 2) * acrossX,
      top: (b - d / 2) * acrossY,
      right: (a + c / 2) * acrossX,
      bottom: (b + d / 2) * acrossY,
    };
  };
}
