import type { Preprocessing } from './processing.ts';

/** Pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * Where a picture lies in the model's input. A point `x` of the picture lies at `x · scaleX + left` of the tensor, which
 * is under 0 or over its width where the picture was cut.
 */
export interface Placement extends Size {
  /** Of the picture. */
  readonly picture: Size;
  readonly scaleX: number;
  readonly scaleY: number;
  readonly left: number;
  readonly top: number;
}

/** Where a picture of this size lies in the tensor, and how large the tensor is. */
export function placementOf(spec: Preprocessing, { width: across, height: down }: Size): Placement {
  const picture = { width: across, height: down };
  const { width, height } = tensorSize(spec, picture);
  const [acrossX, acrossY] = [width / picture.width, height / picture.height];
  if (spec.resize !== 'letterbox' && spec.resize !== 'crop') {
    return { width, height, picture, scaleX: acrossX, scaleY: acrossY, left: 0, top: 0 };
  }
  const scale = spec.resize === 'letterbox' ? Math.min(acrossX, acrossY) : Math.max(acrossX, acrossY);
  // As sharp and libvips do it: both sides are scaled alike, each end gets a half of what rounding to whole pixels adds or
  // takes, and what is cut unevenly loses the odd one on the left.
  const from = (length: number, whole: number) => {
    const inner = Math.max(1, Math.round(whole * scale));
    const start = inner > length ? -Math.trunc((inner - length + 1) / 2) : Math.trunc((length - inner) / 2);
    return start + (inner - whole * scale) / 2;
  };
  const [left, top] = [from(width, picture.width), from(height, picture.height)];
  return { width, height, picture, scaleX: scale, scaleY: scale, left, top };
}

function tensorSize({ resize, width, height, multipleOf }: Preprocessing, picture: Size): Size {
  if (resize === 'within') {
    const step = multipleOf ?? 32;
    // Never larger than the picture: a detector of text sees no more in what was blown up.
    const scale = Math.min(1, width / picture.width, height / picture.height);
    const side = (length: number, most: number) =>
      Math.max(step, Math.min(Math.round((length * scale) / step) * step, Math.floor(most / step) * step));
    return { width: side(picture.width, width), height: side(picture.height, height) };
  }
  if (resize === 'fixed-height') {
    const step = multipleOf ?? 1;
    const asked = Math.ceil((picture.width * height) / picture.height / step) * step;
    return { width: Math.max(step, Math.min(asked, Math.floor(width / step) * step)), height };
  }
  return { width, height };
}
