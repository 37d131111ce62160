import type { Placement, Preprocessing, Region, Size, Tiles } from '@aviary/release';

/** A rectangle of the upright frame, in whole pixels. */
export interface Rectangle extends Size {
  readonly left: number;
  readonly top: number;
}

/** A part of the frame that a model has seen, and where it lay in the model's input. */
export interface View extends Rectangle {
  readonly placement: Placement;
}

/** Whether a model sees the frame in other parts than as a whole. */
export function seesParts({ region, tiles }: Pick<Preprocessing, 'region' | 'tiles'>): boolean {
  return region !== undefined || tiles !== undefined;
}

/** The parts of a frame that a model sees: its region, cut into tiles. At least one, in rows from the top. */
export function partsOfFrame(
  frame: Size,
  { region, tiles }: Pick<Preprocessing, 'region' | 'tiles'>,
): readonly Rectangle[] {
  const seen = region === undefined ? { left: 0, top: 0, ...sizeOnly(frame) } : regionOf(frame, region);
  return tiles === undefined ? [seen] : tilesOf(seen, tiles);
}

function sizeOnly({ width, height }: Size): Size {
  return { width, height };
}

function regionOf(frame: Size, region: Region): Rectangle {
  const [left, width] = along(frame.width, region.left, region.width);
  const [top, height] = along(frame.height, region.top, region.height);
  return { left, top, width, height };
}

function along(length: number, from: number, share: number): [from: number, length: number] {
  const start = Math.min(length - 1, Math.round(from * length));
  return [start, Math.max(1, Math.min(length, Math.round((from + share) * length)) - start)];
}

/** Tiles lie evenly: where they do not fit exactly they overlap more, and none reaches beyond. */
function tilesOf(seen: Rectangle, { width, height, overlap }: Tiles): Rectangle[] {
  return startsOf(seen.height, height, overlap).flatMap((top) =>
    startsOf(seen.width, width, overlap).map((left) => ({
      left: seen.left + left,
      top: seen.top + top,
      width: Math.min(width, seen.width),
      height: Math.min(height, seen.height),
    })),
  );
}

function startsOf(length: number, tile: number, overlap: number): number[] {
  if (length <= tile) return [0];
  const count = Math.ceil((length - overlap) / (tile - overlap));
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - tile)) / (count - 1)));
}
