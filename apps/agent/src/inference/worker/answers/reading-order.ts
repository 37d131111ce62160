import type { DetectedObject } from '../../frame.ts';

/**
 * Lines of text from the top, each from the left: an object belongs to a line when its middle is not further from that of the line's
 * first object than half of its height.
 */
export function inReadingOrder<T extends Pick<DetectedObject, 'box'>>(objects: readonly T[]): T[] {
  const lines: { readonly middle: number; readonly reach: number; readonly objects: T[] }[] = [];
  for (const object of objects.toSorted((a, b) => middleOf(a) - middleOf(b))) {
    const line = lines.at(-1);
    if (line !== undefined && middleOf(object) - line.middle <= line.reach) line.objects.push(object);
    else lines.push({ middle: middleOf(object), reach: object.box.height / 2, objects: [object] });
  }
  return lines.flatMap((line) => line.objects.sort((a, b) => a.box.left - b.box.left));
}

function middleOf({ box }: Pick<DetectedObject, 'box'>): number {
  return box.top + box.height / 2;
}
