import { open } from 'node:fs/promises';

const PIECE_BYTES = 512 * 1024;

/**
 * Reads a file in two buffers that take turns: a piece is good until the one after the next is asked for. Fresh memory
 * for every piece costs several times what reading does, and lets a process grow with its files.
 * @throws the disk's error
 */
export async function* filePieces(path: string): AsyncGenerator<Buffer, void, undefined> {
  await using file = await open(path, 'r');
  const rooms = [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)] as const;
  for (let turn = 0; ; turn += 1) {
    const room = rooms[turn % 2 === 0 ? 0 : 1];
    const { bytesRead } = await file.read(room, 0, room.length);
    if (bytesRead === 0) return;
    yield room.subarray(0, bytesRead);
  }
}
