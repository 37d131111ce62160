import type { ServerResponse } from 'node:http';

/** Hands a piece to the connection. @throws when it has gone away */
const written = (response: ServerResponse, piece: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error('the connection was closed'));
    response.once('close', gone);
    response.write(piece, (error) => {
      response.removeListener('close', gone);
      if (error) reject(error);
      else resolve();
    });
  });

/**
 * Sends pieces as the body of a response whose head is set, and ends it. A piece is asked for while the one before leaves,
 * and has to be good until the one after the next is asked for: so its memory can be used again, where a stream that
 * allocates for each costs four times the processor time.
 * A client that goes away ends it; so does an error of the source, by closing the connection before the body is whole.
 */
export const sendPieces = async (response: ServerResponse, pieces: AsyncIterable<Uint8Array>): Promise<void> => {
  let leaving: Promise<void> = Promise.resolve();
  try {
    for await (const piece of pieces) {
      await leaving;
      if (response.destroyed) return;
      leaving = written(response, piece);
      // It is heard when the next piece is there.
      leaving.catch(() => undefined);
    }
    await leaving;
    response.end();
  } catch {
    response.destroy();
  }
};
