import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';

export interface BlobServer {
  /** What was asked for: the Range header of each request, or ''. */
  readonly asked: string[];
  /** Opens it as the device's API does. */
  readonly open: (start: number, signal: AbortSignal, path?: string) => Promise<IncomingMessage>;
}

export type Answer = (response: ServerResponse, start: number, path: string) => void;

/** Answers as a server does that knows ranges. */
export const wholeFile =
  (content: Buffer): Answer =>
  (response, start) => {
    if (start === 0) response.writeHead(200);
    else if (start >= content.length) response.writeHead(416, { 'content-range': `bytes */${content.length}` });
    else {
      response.writeHead(206, { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` });
    }
    response.end(content.subarray(start));
  };

/** A real HTTP server for sealed bytes; ends with the test. To be called once, at the top of a test file. */
export const blobServers = (): ((answer: Answer) => Promise<BlobServer>) => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });
  return async (answer) => {
    const asked: string[] = [];
    const server = createServer((incoming, response) => {
      const range = incoming.headers.range ?? '';
      asked.push(range);
      answer(response, Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0), incoming.url ?? '');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ends.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const open = (start: number, signal: AbortSignal, path = '/'): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const headers: Record<string, string> = start === 0 ? {} : { range: `bytes=${start}-` };
        const outgoing = request({ host: '127.0.0.1', port, path, headers, signal, agent: false }, (response) => {
          const { statusCode } = response;
          if (statusCode === 200 || statusCode === 206) return resolve(response);
          response.destroy();
          reject(new Error(`refused with ${statusCode}`));
        });
        outgoing.once('error', reject);
        outgoing.end();
      });
    return { asked, open };
  };
};
