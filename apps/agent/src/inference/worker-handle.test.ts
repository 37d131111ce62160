import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grayInput, LIGHT_VARIANT } from './testing/light-manifest.ts';
import { TemporaryFolders, workerFromSource, writeLightRelease } from './testing/light-release.ts';
import { grayFrame, testWorkers } from './testing/test-workers.ts';
import type { WorkerOptions } from './worker-process.ts';

const folders = new TemporaryFolders();
const start = testWorkers();
let good = '';

const worker = (options: Partial<WorkerOptions> = {}) => start(good, options);

beforeAll(async () => {
  good = await writeLightRelease(folders.make());
});
afterAll(() => folders.remove());

describe('a worker', () => {
  it('answers encoded and raw frames, survives one that is no picture, and ends when asked', async () => {
    const handle = await worker();
    expect(handle.release).toBe('light-reader@1.0.0');
    expect(handle.provider).toEqual({ requested: ['cpu'], effective: 'cpu', rejected: [] });

    const light = await handle.infer(await grayFrame(204));
    // m = 0.8: scores ±4.8, confidence 1 / (1 + e^−9.6)
    expect(light).toMatchObject({ label: 'light', index: 1, lowConfidence: false });
    expect(light.confidence).toBeCloseTo(0.99993228, 6);
    expect(light.ms.total).toBeGreaterThanOrEqual(light.ms.run);

    const broken = handle.infer({ source: 'x', picture: { kind: 'encoded', bytes: Buffer.from('no picture') } });
    const unsure = handle.infer({
      source: 'raw',
      picture: { kind: 'raw', width: 2, height: 2, channels: 1, bytes: Uint8Array.of(128, 127, 128, 127) },
    });
    await expect(broken).rejects.toMatchObject({ name: 'FrameError', code: 'frame-undecodable' });
    expect(await unsure).toMatchObject({ lowConfidence: true });

    await handle.stop();
    expect(await handle.exited).toMatchObject({ kind: 'stopped', code: 0 });
    await expect(handle.infer(await grayFrame(0))).rejects.toMatchObject({ code: 'worker-exited' });
  });

  it('reports which provider it really runs on, and why not another', async () => {
    const handle = await worker({ providers: ['npu-of-tomorrow', 'cuda'] });
    expect(handle.provider).toMatchObject({
      requested: ['npu-of-tomorrow', 'cuda'],
      effective: 'cpu',
      rejected: [
        { provider: 'npu-of-tomorrow', reason: expect.stringContaining('does not have it') },
        { provider: 'cuda', reason: expect.stringMatching(/./) },
      ],
    });
  });

  it.each(['cuda', 'tensorrt', 'openvino'])('tries %s first where the release asks for it', async (provider) => {
    const manifest = { variant: { ...LIGHT_VARIANT, providers: [provider] } };
    const archiveDirectory = await writeLightRelease(folders.make(), { manifest });
    const handle = await worker({ archiveDirectory, providers: ['cpu'] });
    expect(handle.provider).toMatchObject({ requested: [provider], effective: 'cpu', rejected: [{ provider }] });
    expect(handle.provider.rejected).toHaveLength(1);
  });

  it('killed in the middle of a frame lets its caller know', async () => {
    const handle = await worker();
    process.kill(handle.pid, 'SIGSTOP');
    const answers = [handle.infer(await grayFrame(0)), handle.infer(await grayFrame(1))];
    process.kill(handle.pid, 'SIGKILL');
    for (const result of await Promise.allSettled(answers)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { name: 'WorkerLostError', code: 'worker-exited' } });
    }
    expect(await handle.exited).toMatchObject({ kind: 'died', code: null, signal: 'SIGKILL' });
  });

  it('that hangs on a frame is ended', async () => {
    const handle = await worker({ frameTimeoutMs: 200 });
    process.kill(handle.pid, 'SIGSTOP');
    await expect(handle.infer(await grayFrame(0))).rejects.toMatchObject({ code: 'frame-timeout' });
    expect(await handle.exited).toMatchObject({ kind: 'killed', signal: 'SIGKILL' });
  });

  it('that hangs while nothing is asked is found by its heartbeat', async () => {
    const handle = await worker({ frameTimeoutMs: 200, heartbeatMs: 50 });
    await sleep(500);
    expect(await handle.infer(await grayFrame(0))).toMatchObject({ label: 'dark' });
    process.kill(handle.pid, 'SIGSTOP');
    expect(await handle.exited).toMatchObject({ kind: 'killed', words: expect.stringContaining('heartbeat') });
  });

  it('ends by itself when its supervisor is killed', async () => {
    const module = new URL('./worker-handle.ts', import.meta.url).href;
    const options = JSON.stringify({ archiveDirectory: good, providers: [], ...workerFromSource });
    const script = `import { startWorker } from '${module}'; console.log((await startWorker(${options})).pid);`;
    const supervisor = spawn(process.execPath, ['--conditions=aviary-source', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(supervisor.stdout, 'data');
    const pid = Number(String(line));
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    supervisor.kill('SIGKILL');
    await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 5000 }).toBe(false);
  });
});

describe('a worker that cannot start says why', () => {
  it.each([
    [
      'an ONNX file that is none',
      { file: 'model.onnx', content: 'not protobuf' },
      /no execution provider takes this model: cpu: .*protobuf/i,
    ],
    ['a manifest that is none', { file: 'manifest.json', content: '{}' }, /manifest.json is invalid/],
  ])('%s', async (_name, { file, content }, words) => {
    const folder = await writeLightRelease(folders.make());
    writeFileSync(join(folder, file), content);
    await expect(worker({ archiveDirectory: folder })).rejects.toMatchObject({
      code: 'worker-start-failed',
      message: expect.stringMatching(words),
    });
  });

  it.each([
    ['another input size', { preprocessing: grayInput(3, 2, { layout: 'flat' }) }, /makes a tensor of 1×6.*takes 1×4/],
    [
      'another number of labels',
      { labels: ['dark', 'light', 'dim'] },
      /expected 3 scores, one per label, but the model gave 2/,
    ],
    ['another task', { task: 'detection' }, /expected a decoder for task detection/],
  ] as const)('%s', async (_name, change, words) => {
    const manifest = { ...change, ...('labels' in change ? { labels: [...change.labels] } : {}) };
    const folder = await writeLightRelease(folders.make(), { manifest: manifest as never });
    await expect(worker({ archiveDirectory: folder })).rejects.toMatchObject({ message: expect.stringMatching(words) });
  });

  it('a program that says nothing in time', async () => {
    const folder = folders.make();
    writeFileSync(join(folder, 'silent.mjs'), 'setInterval(() => {}, 1000);');
    await expect(worker({ workerPath: join(folder, 'silent.mjs'), startTimeoutMs: 300 })).rejects.toMatchObject({
      code: 'worker-start-timeout',
    });
  });

  it('a program that writes something else on its pipe', async () => {
    const folder = folders.make();
    writeFileSync(
      join(folder, 'talking.mjs'),
      'console.log("hello, I am a library that greets"); setInterval(() => {}, 1000);',
    );
    await expect(worker({ workerPath: join(folder, 'talking.mjs') })).rejects.toMatchObject({
      message: expect.stringContaining('Something else may have written into this pipe'),
    });
  });
});

describe('the fence', () => {
  it('keeps files, processes and the environment from the worker', async () => {
    const folder = folders.make();
    const program = join(folder, 'probe.mjs');
    writeFileSync(
      program,
      `import { readFileSync, writeFileSync } from 'node:fs';
       import { spawnSync } from 'node:child_process';
       const tried = (action) => { try { action(); return 'done'; } catch (error) { return error.code; } };
       const words = JSON.stringify({
         read: tried(() => readFileSync('/etc/hostname')),
         write: tried(() => writeFileSync(${JSON.stringify(join(good, 'new'))}, '')),
         spawn: tried(() => spawnSync('/bin/true')),
         archive: tried(() => readFileSync(${JSON.stringify(join(good, 'manifest.json'))})),
         environment: Object.keys(process.env).filter((name) => name !== 'LD_LIBRARY_PATH' && name !== 'CUDA_VISIBLE_DEVICES'),
       });
       const head = Buffer.from(JSON.stringify({ kind: 'failed', words }));
       const prefix = Buffer.alloc(8);
       prefix.writeUInt32LE(head.length, 0);
       process.stdout.write(Buffer.concat([prefix, head]));
       setInterval(() => {}, 1000);`,
    );
    const error = await worker({ workerPath: program }).catch((reason: unknown) => reason);
    expect(JSON.parse(error instanceof Error ? error.message : '')).toEqual({
      read: 'ERR_ACCESS_DENIED',
      write: 'ERR_ACCESS_DENIED',
      spawn: 'ERR_ACCESS_DENIED',
      archive: 'done',
      environment: ['MALLOC_ARENA_MAX', 'ORT_DISABLE_TELEMETRY'],
    });
  });
});
