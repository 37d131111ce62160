import type { IncomingMessage } from 'node:http';
import { LocalProblem } from './local-problem.ts';

const LARGEST_JSON_BYTES = 16 * 1024;

const tooLarge = (most: number): LocalProblem =>
  new LocalProblem(413, 'body-too-large', `Expected a body of at most ${most} bytes, got more.`);

/** The whole body, and not a byte more than asked for. @throws LocalProblem `body-too-large` */
const readBytes = async (request: IncomingMessage, most: number): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let length = 0;
  // Whoever sends too much gets an answer, too: leaving the loop must not end the connection.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > most) throw tooLarge(most);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

/** @throws LocalProblem */
export const readJson = async (request: IncomingMessage): Promise<unknown> => {
  const body = await readBytes(request, LARGEST_JSON_BYTES);
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new LocalProblem(400, 'body-invalid', `Expected JSON as the body, got ${body.length} bytes that are none.`);
  }
};

/** How long the body says that it is. @throws LocalProblem where it does not say so, is empty, or too long */
export const declaredLength = (request: IncomingMessage, most: number): number => {
  const text = request.headers['content-length'];
  if (text === undefined) {
    throw new LocalProblem(411, 'length-required', 'Expected a Content-Length, got none: say how large the body is.');
  }
  const length = Number(text);
  if (length > most) throw tooLarge(most);
  if (length > 0) return length;
  throw new LocalProblem(400, 'body-invalid', 'Expected a picture as the body, got nothing.');
};

/** A body of the declared length. Rejects when nobody waits for it any more. */
export const readDeclared = (request: IncomingMessage, length: number, signal: AbortSignal): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    readBytes(request, length).then(resolve, reject);
  });
