import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { problemSchema } from '@aviary/protocol';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { FeedbackError } from '../learning/feedback-error.ts';
import { ask, openResults } from '../testing/local-client.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { ConsentError } from '../update/holding.ts';
import { LocalApi, type LocalApiSource } from './local-api.ts';
import { type LocalResult, ResultStream } from './result-stream.ts';

const makeFolder = temporaryFolders();
const log = pino({ level: 'silent' });
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const start = async (path: string, feedback: (id: string, label: string) => Promise<number> = async () => 1) => {
  const results = new ResultStream();
  let laterUntil: number | null = null;
  const source: LocalApiSource = {
    results,
    infer: async () => result(0),
    metrics: async () => '',
    health: () => ({ status: 'serving' }),
    feedback,
    waiting: () => ({ release: 'b@1.0.0', since: 1, waitsFor: 'consent', until: null, laterUntil }),
    decide: async ({ decision, seconds = 0, release }) => {
      if (release === 'c@1.0.0') throw new ConsentError('update-other', 'Expected a decision about b@1.0.0');
      laterUntil = decision === 'later' ? seconds * 1_000 : null;
    },
  };
  const api = new LocalApi(source, log);
  await api.start({ socket: path, listen: null });
  ends.push(() => api.stop());
  return { api, results };
};
const result = (n: number, source = 'x.png'): LocalResult => ({
  id: `abc-${n}`,
  at: n,
  source,
  release: 'a@1.0.0',
  label: 'dark',
  confidence: 0.9,
  lowConfidence: false,
});

describe('the socket', () => {
  it('is there for this user alone, and gone afterwards', async () => {
    const path = join(await makeFolder(), 'agent.sock');
    const { api } = await start(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await ask(path, 'GET', '/healthz')).toMatchObject({ status: 200, body: { status: 'serving' } });
    await api.stop();
    expect(existsSync(path)).toBe(false);
  });

  it('takes the place of one that a crash has left', async () => {
    const path = join(await makeFolder(), 'agent.sock');
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
    const crashed = spawn(process.execPath, ['-e', script]);
    await once(crashed.stdout, 'data');
    crashed.kill('SIGKILL');
    await once(crashed, 'close');
    expect(existsSync(path)).toBe(true);
    await start(path);
    expect((await ask(path, 'GET', '/healthz')).status).toBe(200);
  });

  it('leaves alone what others listen on, and files of another kind', async () => {
    const folder = await makeFolder();
    const path = join(folder, 'agent.sock');
    await start(path);
    await expect(start(path)).rejects.toMatchObject({
      code: 'socket-in-use',
      message: expect.stringContaining('--socket PATH'),
    });
    expect((await ask(path, 'GET', '/healthz')).status).toBe(200);
    await writeFile(join(folder, 'notes'), 'mine');
    await expect(start(join(folder, 'notes'))).rejects.toMatchObject({ code: 'socket-path-taken' });
  });

  it('has a path of at most 107 bytes', async () => {
    const folder = await makeFolder();
    const longest = join(folder, 'x'.repeat(107 - folder.length - 1));
    await start(longest);
    expect((await ask(longest, 'GET', '/healthz')).status).toBe(200);
    await expect(start(`${longest}x`)).rejects.toMatchObject({
      code: 'socket-path-too-long',
      message: expect.stringContaining('at most 107 bytes for the local socket, got 108'),
    });
  });
});

describe('results', () => {
  it('come to each reader as server-sent events', async () => {
    const path = join(await makeFolder(), 'agent.sock');
    const { results } = await start(path);
    const readers = [await openResults(path), await openResults(path)];
    results.publish(result(1));
    results.publish(result(2));
    for (const reader of readers) {
      expect(await reader.next()).toEqual({ event: 'result', id: 'abc-1', data: result(1) });
      expect(await reader.next()).toMatchObject({ id: 'abc-2' });
      reader.close();
    }
  });

  it('are let go, the oldest first, for a reader that is slow, which is told how many', async () => {
    const path = join(await makeFolder(), 'agent.sock');
    const { results } = await start(path);
    const [slow, fast] = [await openResults(path), await openResults(path)];
    const long = 'x'.repeat(10_000);
    const total = 1_000;
    for (let n = 1; n <= total; n += 1) {
      results.publish(result(n, long));
      expect((await fast.next())?.id).toBe(`abc-${n}`);
    }
    results.publish(result(total + 1));
    const numbers: number[] = [];
    let dropped = 0;
    while (numbers.at(-1) !== total + 1) {
      const event = await slow.next();
      if (event?.event === 'dropped') dropped += event.data.results;
      else numbers.push(event?.data.at ?? Number.NaN);
    }
    expect(dropped).toBeGreaterThan(0);
    expect(numbers.length + dropped).toBe(total + 1);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    // Whatever is between what the kernel took at first and the last ones is missing, and nothing else.
    expect(numbers.slice(-256)).toEqual(Array.from({ length: 256 }, (_, i) => total + 1 - 255 + i));
    for (const reader of [slow, fast]) reader.close();
  });

  it('have so many readers and no more', async () => {
    const path = join(await makeFolder(), 'agent.sock');
    await start(path);
    const readers = [];
    for (let i = 0; i < 16; i += 1) readers.push(await openResults(path));
    expect(await ask(path, 'GET', '/v1/results')).toMatchObject({ status: 503, body: { code: 'readers-too-many' } });
    readers[0]?.close();
    await expect
      .poll(async () => {
        const reader = await openResults(path).catch(() => undefined);
        reader?.close();
        return reader !== undefined;
      })
      .toBe(true);
    for (const reader of readers) reader.close();
  });

  it('end with the agent', async () => {
    const path = join(await makeFolder(), 'agent.sock');
    const { api } = await start(path);
    const reader = await openResults(path);
    await api.stop();
    expect(await reader.next()).toBeUndefined();
  });
});

describe('an update', () => {
  it('is shown as it waits, and put off or allowed', async () => {
    const path = join(await makeFolder(), 'agent.sock');
    await start(path);
    const waiting = { release: 'b@1.0.0', since: 1, waitsFor: 'consent', until: null, laterUntil: null };
    expect(await ask(path, 'GET', '/v1/update')).toMatchObject({ status: 200, body: { waiting } });
    const later = await ask(path, 'POST', '/v1/update', { decision: 'later', seconds: 60 });
    expect(later).toMatchObject({ status: 200, body: { waiting: { ...waiting, laterUntil: 60_000 } } });
    const allowed = await ask(path, 'POST', '/v1/update', { decision: 'allow', release: 'b@1.0.0' });
    expect(allowed).toMatchObject({ status: 200, body: { waiting } });
  });
});

describe('what cannot be answered', () => {
  it.each([
    ['GET', '/v1/nothing', undefined, 404, 'route-unknown', '/healthz, /metrics, /v1/infer, /v1/results, /v1/update'],
    ['POST', '/v1/update', { decision: 'never' }, 400, 'body-invalid', '{"decision": "allow"}'],
    ['POST', '/v1/update', { decision: 'later' }, 400, 'body-invalid', 'seconds'],
    ['POST', '/v1/update', { decision: 'later', seconds: 86_401 }, 400, 'body-invalid', '86400'],
    ['POST', '/v1/update', { decision: 'allow', release: 'c@1.0.0' }, 409, 'update-other', 'b@1.0.0'],
    ['GET', '/v1/feedback', undefined, 405, 'method-not-allowed', 'Expected POST'],
    ['POST', '/v1/feedback', '{', 400, 'body-invalid', 'Expected JSON'],
    ['POST', '/v1/feedback', { id: 'x' }, 400, 'body-invalid', 'label'],
    ['POST', '/v1/feedback', { id: 'x', label: 'y', picture: 'z' }, 400, 'body-invalid', 'picture'],
    ['POST', '/v1/feedback', 'x'.repeat(20_000), 413, 'body-too-large', '16384'],
    ['POST', '/v1/feedback', { id: 'x', label: 'y' }, 422, 'label-unknown', 'dark, light'],
    ['POST', '/v1/feedback', { id: 'bug', label: 'y' }, 500, 'internal', 'its log says how'],
  ])('%s %s %j', async (method, url, body, status, code, words) => {
    const path = join(await makeFolder(), 'agent.sock');
    await start(path, async (id) => {
      if (id === 'bug') throw new TypeError('secret');
      throw new FeedbackError('label-unknown', 'Expected dark, light');
    });
    const answer = await ask(path, method, url, body);
    expect(answer).toMatchObject({ status, type: 'application/problem+json', body: { status, code } });
    expect(problemSchema.parse(answer.body).detail).toContain(words);
    expect(JSON.stringify(answer.body)).not.toContain('secret');
    expect((await ask(path, 'GET', '/healthz')).status).toBe(200);
  });
});
