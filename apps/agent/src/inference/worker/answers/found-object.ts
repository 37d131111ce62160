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
  const both = common(a, b);
  return both === 0 ? 0 : both / (areaOf(a) + areaOf(b) - both);
}

/** Area that two have in common. */
function common(a: FoundObject, b: FoundObject): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return width <= 0 || height <= 0 ? 0 : width * height;
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

/**
 * The objects of overlapping views of one frame, each once. A view may see no more than a part of what another one sees as a
 * whole, so what counts between views is how much of the smaller one is covered; the surer one takes in the other's box.
 * @param views what each has found, suppressed already
 */
export function joinViews(
  views: readonly (readonly FoundObject[])[],
  threshold: number,
  most: number,
): readonly FoundObject[] {
  const [only = []] = views;
  if (views.length <= 1) return only;
  const joined: { object: FoundObject; readonly views: Set<number> }[] = [];
  const all = views.flatMap((objects, view) => objects.map((object) => ({ object, view })));
  for (const { object, view } of all.sort((a, b) => b.object.score - a.object.score)) {
    const same = joined.find(
      (other) =>
        other.object.index === object.index && !other.views.has(view) && coverage(other.object, object) > threshold,
    );
    if (same === undefined) joined.push({ object, views: new Set([view]) });
    else {
      same.object = around(same.object, object);
      same.views.add(view);
    }
  }
  return joined.slice(0, most).map(({ object }) => object);
}

/** Share of the smaller one that lies in the other. */
function coverage(a: FoundObject, b: FoundObject): number {
  return common(a, b) / Math.min(areaOf(a), areaOf(b));
}

function around(surer: FoundObject, other: FoundObject): FoundObject {
  return {
    ...surer,
    left: Math.min(surer.left, other.left),
    top: Math.min(surer.top, other.top),
    right: Math.max(surer.right, other.right),
    bottom: Math.max(surer.bottom, other.bottom),
  };
}
