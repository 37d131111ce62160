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
 * Sends pieces as the body of a response whose head is set, and ends it. The next piece is asked for when the one before
 * has left, so that its memory can be used again: a stream that allocates for each costs four times the processor time.
 * A client that goes away ends it; so does an error of the source, by closing the connection before the body is whole.
 */
export const sendPieces = async (response: ServerResponse, pieces: AsyncIterable<Uint8Array>): Promise<void> => {
  try {
    for await (const piece of pieces) {
      if (response.destroyed) return;
      await written(response, piece);
    }
    response.end();
  } catch {
    response.destroy();
  }
};
