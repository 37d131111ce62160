/** An object that a model has found, in pixels of the picture or of the model's input. */
export interface FoundObject {
  /** Of the label. */
  readonly index: number;
  readonly score: number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** What a decoder has read. */
export interface FoundObjects {
  readonly objects: readonly FoundObject[];
  /** The highest score of what was not sure enough to be an object; 0 where there was nothing, or nobody tells. */
  readonly bestRejected: number;
}

/** Intersection over union, 0 to 1. */
export function overlap(a: FoundObject, b: FoundObject): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / (areaOf(a) + areaOf(b) - both);
}

function areaOf({ left, top, right, bottom }: FoundObject): number {
  return (right - left) * (bottom - top);
}

/**
 * Greedy non-maximum suppression within each label: of two objects that overlap more than `iouThreshold` the surer one
 * stays. Most sure first, of equals the earlier; at most `most`.
 */
export function suppress(objects: readonly FoundObject[], iouThreshold: number, most: number): FoundObject[] {
  const kept: FoundObject[] = [];
  for (const object of objects.toSorted((a, b) => b.score - a.score)) {
    if (kept.length === most) break;
    const isCovered = kept.some((other) => other.index === object.index && overlap(other, object) > iouThreshold);
    if (!isCovered) kept.push(object);
  }
  return kept;
}
