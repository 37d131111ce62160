import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiProcess } from '../support/api-process.ts';
import { TestDatabase } from '../support/test-database.ts';

const PAGE = '<!doctype html><title>Aviary</title><script type="module" src="/assets/index-1a2b3c.js"></script>';
const SCRIPT = 'console.log("aviary");'.repeat(50);

/** Asks as it is told, and changes nothing of the path or of what comes. */
const ask = (url: string, path: string, headers: Record<string, string> = {}) =>
  new Promise<IncomingMessage & { bytes: Buffer; text: string }>((resolve, reject) => {
    get(url, { path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      response.on('end', () => {
        const bytes = Buffer.concat(chunks);
        resolve(Object.assign(response, { bytes, text: bytes.toString() }));
      });
    }).on('error', reject);
  });

const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

describe('the console as files, over real HTTP', () => {
  let t: TestDatabase;
  let api: ApiProcess;
  let without: ApiProcess;
  /** The console lies in `dist` below. */
  let home: string;

  beforeAll(async () => {
    t = await TestDatabase.start();
    home = await mkdtemp(join(tmpdir(), 'aviary-console-'));
    await writeFile(join(home, 'secret'), 'secret');
    const directory = join(home, 'dist');
    await mkdir(join(directory, 'assets'), { recursive: true });
    await writeFile(join(directory, 'index.html'), PAGE);
    await writeFile(join(directory, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
    const script = join(directory, 'assets', 'index-1a2b3c.js');
    await writeFile(script, SCRIPT);
    await writeFile(`${script}.gz`, gzipSync(SCRIPT));
    await writeFile(`${script}.br`, brotliCompressSync(SCRIPT));
    api = await ApiProcess.start(t, { consoleDirectory: directory });
    without = await ApiProcess.start(t);
  });
  afterAll(async () => {
    await Promise.all([api.stop(), without.stop()]);
    await t.stop();
    await rm(home, { recursive: true, force: true });
  });

  it('is the same page at every address that it knows itself, always asked for anew', async () => {
    for (const path of ['/', '/index.html', '/devices', '/rollouts/some-id?tab=waves', '/apiary']) {
      const answer = await ask(api.url, path, browser);
      expect([path, answer.statusCode, answer.text]).toEqual([path, 200, PAGE]);
      expect(answer.headers).toMatchObject({
        'content-type': expect.stringContaining('text/html'),
        'cache-control': 'no-cache',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      });
      const policy = String(answer.headers['content-security-policy']).split('; ');
      expect(policy).toEqual(
        expect.arrayContaining([
          "script-src 'self'",
          "connect-src 'self'",
          "frame-ancestors 'none'",
          "base-uri 'none'",
        ]),
      );
    }
    const { headers } = await ask(api.url, '/', browser);
    expect((await ask(api.url, '/', { ...browser, 'if-none-match': String(headers.etag) })).statusCode).toBe(304);
  });

  it('has files that never change, compressed as they were built', async () => {
    const path = '/assets/index-1a2b3c.js';
    const plain = await ask(api.url, path);
    expect(plain.text).toBe(SCRIPT);
    expect(plain.headers).toMatchObject({
      'content-type': expect.stringContaining('javascript'),
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    });
    const gzip = await ask(api.url, path, { 'accept-encoding': 'gzip' });
    expect(gzip.headers).toMatchObject({
      'content-encoding': 'gzip',
      'content-type': plain.headers['content-type'],
      'cache-control': 'public, max-age=31536000, immutable',
      vary: expect.stringMatching(/accept-encoding/i),
    });
    expect(gunzipSync(gzip.bytes).toString()).toBe(SCRIPT);
    const best = await ask(api.url, path, { 'accept-encoding': 'gzip, deflate, br' });
    expect(best.headers['content-encoding']).toBe('br');
    expect((await ask(api.url, '/favicon.svg')).headers).toMatchObject({
      'content-type': 'image/svg+xml',
      'cache-control': 'no-cache',
    });
  });

  it('is no answer to a program, nor to what is the API’s', async () => {
    for (const [path, headers] of [
      ['/api/v1/nothing', browser],
      ['/api', browser],
      ['/device/v1/nothing', browser],
      ['/devices', { accept: 'application/json' }],
      ['/assets/gone-1a2b3c.js', { accept: '*/*' }],
    ] as const) {
      const answer = await ask(api.url, path, headers);
      expect([path, answer.statusCode, answer.headers['content-type']]).toEqual([
        path,
        404,
        expect.stringContaining('application/problem+json'),
      ]);
    }
    expect((await ask(api.url, '/healthz', browser)).text).toContain('"ok"');
    expect((await ask(api.url, '/openapi.json', browser)).text).toContain('"openapi"');
    expect((await fetch(`${api.url}/devices`, { method: 'POST', headers: browser })).status).toBe(404);
  });

  it('gives nothing away that lies outside of it', async () => {
    for (const path of [
      '/../secret',
      '/assets/../../secret',
      '/..%2fsecret',
      '/%2e%2e/secret',
      '/assets/..%5c..%5csecret',
      `/${join(home, 'secret')}`,
    ]) {
      for (const headers of [browser, {}]) expect((await ask(api.url, path, headers)).text, path).not.toBe('secret');
    }
  });

  it('says how to build it where it was not built', async () => {
    const answer = await ask(without.url, '/', browser);
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.text).toMatch(/was not built.*npm run build.*--console-dir/s);
    expect((await ask(without.url, '/api/v1/overview', without.headers)).statusCode).toBe(200);
  });
});
