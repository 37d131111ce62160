import { open } from 'node:fs/promises';

const PIECE_BYTES = 512 * 1024;

/** Bytes `start` to `end` of a file, both inclusive. */
export interface FileRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a file in two buffers that take turns: a piece is good until the one after the next is asked for. Fresh memory
 * for every piece costs several times what reading does, and lets a process grow with its files.
 * @param range undefined: the whole file
 * @throws the disk's error; Error when the file ends within the range
 */
export async function* filePieces(path: string, range?: FileRange): AsyncGenerator<Buffer, void, undefined> {
  await using file = await open(path, 'r');
  const { start, end } = range ?? { start: 0, end: Number.POSITIVE_INFINITY };
  const size = Math.min(PIECE_BYTES, end - start + 1);
  const rooms = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)] as const;
  let position = start;
  for (let turn = 0; position <= end; turn += 1) {
    const room = rooms[turn % 2 === 0 ? 0 : 1];
    const { bytesRead } = await file.read(room, 0, Math.min(size, end - position + 1), position);
    if (bytesRead === 0) {
      if (range === undefined) return;
      throw new Error(`${path} ends before byte ${end}`);
    }
    position += bytesRead;
    yield room.subarray(0, bytesRead);
  }
}
