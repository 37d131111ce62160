import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, expect, it } from 'vitest';
import { sendPieces } from './send-pieces.ts';

const PIECE = 100_000;
let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Serves pieces that take turns in two places of memory. @returns the answer, and how the source ended */
const serve = async (count: number, failAt = Number.POSITIVE_INFINITY) => {
  let end: (how: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const rooms = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)];
    let given = 0;
    try {
      for (; given < count; given += 1) {
        if (given === failAt) throw new Error('the disk failed');
        yield (rooms[given % 2] as Buffer).fill(given % 251);
      }
    } finally {
      end(given === count ? 'whole' : 'left');
    }
  }
  server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': count * PIECE });
    void sendPieces(response, pieces());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const answer = await new Promise<IncomingMessage>((resolve, reject) =>
    get({ port, host: '127.0.0.1' }, resolve).once('error', reject),
  );
  return { answer, ended };
};

it('sends every piece as it was, although they share their memory', async () => {
  const { answer, ended } = await serve(30);
  const body = await buffer(answer);
  expect(body.length).toBe(30 * PIECE);
  for (let index = 0; index < 30; index += 1) {
    expect(body.subarray(index * PIECE, (index + 1) * PIECE).equals(Buffer.alloc(PIECE, index % 251))).toBe(true);
  }
  expect(await ended).toBe('whole');
});

it('lets go of its source when the client goes away', async () => {
  const { answer, ended } = await serve(1_000_000);
  answer.once('data', () => answer.destroy());
  expect(await ended).toBe('left');
});

it('does not let a body that is cut look whole', async () => {
  const { answer, ended } = await serve(30, 3);
  await expect(buffer(answer)).rejects.toThrow('aborted');
  expect(await ended).toBe('left');
});
