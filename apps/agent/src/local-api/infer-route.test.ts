import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { problemSchema } from '@aviary/protocol';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { FrameError, RequestRefusedError } from '../inference/errors.ts';
import type { Frame } from '../inference/frame.ts';
import { ask, postPicture } from '../testing/local-client.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import type { Infer } from './infer-route.ts';
import { LocalApi } from './local-api.ts';
import { localResult, ResultStream } from './result-stream.ts';

const makeFolder = temporaryFolders();
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const RAW = 'application/octet-stream';
const ANSWER = {
  id: 'abc-1',
  at: 1_700_000_000_000,
  label: 'dark',
  index: 0,
  confidence: 0.9,
  lowConfidence: false,
  ms: { preprocess: 1, run: 2, postprocess: 0, total: 3 },
};

/** What is asked of the worker, and what it says. */
const start = async (infer?: Infer) => {
  const folder = await makeFolder();
  const seen: Frame[] = [];
  const answer: Infer = async (frame) => {
    seen.push(frame);
    return localResult(frame.source, 'a@1.0.0', ANSWER);
  };
  const api = new LocalApi(
    {
      results: new ResultStream(),
      infer: infer ?? answer,
      metrics: async (problems) => JSON.stringify([...problems]),
      health: () => ({ status: 'serving' }),
      feedback: async () => 0,
      waiting: () => null,
      decide: async () => {},
    },
    pino({ level: 'silent' }),
  );
  const socket = join(folder, 'agent.sock');
  await api.start({ socket, listen: null });
  ends.push(() => api.stop());
  return { api, socket, seen };
};

describe('POST /v1/infer', () => {
  it('takes an image, or raw pixels with their size, and gives all that the model says', async () => {
    const { socket, seen } = await start();
    const image = await postPicture(socket, '?source=door', 'image/png', Buffer.from('a picture'));
    const { ms: _, index: __, ...said } = ANSWER;
    expect(image.status).toBe(200);
    expect(image.body).toEqual({ ...said, source: 'door', release: 'a@1.0.0' });
    await postPicture(socket, '?width=2&height=1', RAW, Uint8Array.of(1, 2, 3, 4, 5, 6));
    await postPicture(socket, '?width=2&height=1&channels=1', RAW, Uint8Array.of(1, 2));
    expect(seen).toEqual([
      { source: 'door', picture: { kind: 'encoded', bytes: Buffer.from('a picture') } },
      {
        source: 'request',
        picture: { kind: 'raw', width: 2, height: 1, channels: 3, bytes: Buffer.from([1, 2, 3, 4, 5, 6]) },
      },
      { source: 'request', picture: { kind: 'raw', width: 2, height: 1, channels: 1, bytes: Buffer.from([1, 2]) } },
    ]);
  });

  it.each([
    ['', 'text/plain', 'x', 415, 'picture-type-unknown', 'image/jpeg'],
    ['', RAW, 'abc', 400, 'query-invalid', '?width=N&height=N'],
    ['?width=1&height=1', RAW, 'abcd', 400, 'body-invalid', 'Expected 3 bytes for 1 × 1 pixels of 3, got 4.'],
    ['?width=1&height=0', RAW, 'abcd', 400, 'query-invalid', 'height'],
    ['?quality=9', 'image/png', 'x', 400, 'query-invalid', 'quality'],
    ['?seconds=61', 'image/png', 'x', 400, 'query-invalid', '60'],
    ['', 'image/png', '', 400, 'body-invalid', 'got nothing'],
  ])('refuses %s %s %j', async (query, type, text, status, code, words) => {
    const { socket, seen } = await start();
    const answer = await postPicture(socket, query, type, Buffer.from(text));
    expect(answer).toMatchObject({ status, type: 'application/problem+json', body: { status, code } });
    expect(problemSchema.parse(answer.body).detail).toContain(words);
    expect(seen).toEqual([]);
  });

  it('takes no picture that is too large, or does not say how large it is', async () => {
    const { socket } = await start();
    const large = await postPicture(socket, '', 'image/png', Buffer.alloc(10), { 'content-length': '33554433' });
    expect(large).toMatchObject({ status: 413, body: { code: 'body-too-large' } });
    const endless = await postPicture(socket, '', 'image/png', Buffer.alloc(10), { 'transfer-encoding': 'chunked' });
    expect(endless).toMatchObject({ status: 411, body: { code: 'length-required' } });
  });

  it('lets a program send all of what is not wanted before it answers', async () => {
    const { socket } = await start();
    const program = connect(socket);
    let answer = '';
    program.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    program.write(
      'POST /v1/infer HTTP/1.1\r\nhost: agent\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\nhalf',
    );
    await sleep(300);
    // curl breaks off when it finds the connection closed while it sends.
    expect(answer).toBe('');
    program.end('half');
    await once(program, 'close');
    expect(answer).toContain('picture-type-unknown');
  });

  it.each([
    [new RequestRefusedError('nothing-serves', 'x'), 503, '1'],
    [new RequestRefusedError('requests-too-many', 'x'), 429, '1'],
    [new FrameError('frame-undecodable', 'x'), 422, undefined],
  ])('answers %s', async (error, status, retryAfter) => {
    const { socket } = await start(async () => {
      throw error;
    });
    const answer = await postPicture(socket, '', 'image/png', Buffer.from('x'));
    expect(answer).toMatchObject({ status, body: { code: error.code } });
    expect(answer.headers['retry-after']).toBe(retryAfter);
  });

  it('waits as long as it is told, and no longer', async () => {
    const { socket } = await start(
      (_, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    );
    const answer = await postPicture(socket, '?seconds=0.1', 'image/png', Buffer.from('x'));
    expect(answer).toMatchObject({ status: 504, body: { code: 'deadline-past' } });
    // A body that does not come is not waited for either.
    const stuck = await postPicture(socket, '?seconds=0.1', 'image/png', Buffer.alloc(10), { 'content-length': '20' });
    expect(stuck).toMatchObject({ status: 504, body: { code: 'deadline-past' } });
  });

  it('forgets a picture of a program that has gone', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { promise: asked, resolve: begin } = Promise.withResolvers<void>();
    const { socket } = await start((_, signal) => {
      begin();
      return new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          resolve();
          reject(signal.reason);
        }),
      );
    });
    const program = connect(socket);
    program.write('POST /v1/infer HTTP/1.1\r\nhost: agent\r\ncontent-type: image/png\r\ncontent-length: 1\r\n\r\nx');
    await asked;
    program.destroy();
    await promise;
  });

  it('holds a bounded number of bytes, and takes more when they are done with', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { socket } = await start(async (frame) => {
      await promise;
      return localResult(frame.source, 'a@1.0.0', ANSWER);
    });
    const large = Buffer.alloc(32 * 1024 * 1024);
    const two = [1, 2].map(() => postPicture(socket, '', 'image/png', large));
    await expect
      .poll(async () => (await postPicture(socket, '?seconds=0.1', 'image/png', Buffer.from('x'))).status)
      .toBe(429);
    resolve();
    expect((await Promise.all(two)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await postPicture(socket, '', 'image/png', Buffer.from('x'))).status).toBe(200);
  });
});

describe('the port', () => {
  /** Free a moment ago. */
  const startOnPort = async () => {
    const { api, socket } = await start();
    for (let port = 20_000 + Math.floor(Math.random() * 10_000); ; port += 1) {
      try {
        await api.start({ socket: null, listen: { host: '127.0.0.1', port } });
        return { api, socket, port };
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'listen-in-use')) throw error;
      }
    }
  };

  it('is for programs on the board, and not for web pages in its browser', async () => {
    const { port, socket } = await startOnPort();
    expect(await postPicture({ port }, '', 'image/png', Buffer.from('x'))).toMatchObject({ status: 200 });
    for (const headers of [{ origin: 'https://evil.example' }, { host: 'evil.example' }, { origin: 'null' }]) {
      const page = await postPicture({ port }, '', 'image/png', Buffer.from('x'), headers);
      expect(page).toMatchObject({ status: 403, body: { code: 'origin-refused' } });
    }
    expect(await ask(socket, 'GET', '/healthz', undefined, { host: 'agent' })).toMatchObject({ status: 200 });
  });

  it('is not shared', async () => {
    const { port } = await startOnPort();
    const { api } = await start();
    await expect(api.start({ socket: null, listen: { host: '127.0.0.1', port } })).rejects.toMatchObject({
      code: 'listen-in-use',
      message: expect.stringContaining('--listen'),
    });
  });
});
