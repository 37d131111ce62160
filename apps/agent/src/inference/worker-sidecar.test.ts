import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReleaseManifest } from '@aviary/release';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { provenSidecar, referenceCommand } from '../testing/reference-sidecar.ts';
import { ProcessUsageMeter } from './process-usage.ts';
import { LIGHT_VARIANT } from './testing/light-manifest.ts';
import { TemporaryFolders, writeLightRelease } from './testing/light-release.ts';
import { grayFrame, testWorkers } from './testing/test-workers.ts';
import type { WorkerHandle } from './worker-handle.ts';
import type { WorkerOptions } from './worker-process.ts';

const VARIANT: ReleaseManifest['variant'] = { ...LIGHT_VARIANT, id: 'onnx-trt', runtime: 'tensorrt' };

const folders = new TemporaryFolders();
const start = testWorkers();
let folder = '';

const worker = (options: Partial<WorkerOptions> = {}) => start(folder, { sidecars: [provenSidecar()], ...options });
const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`);
const sidecarOf = (handle: WorkerHandle): number => handle.sidecarPid ?? 0;

beforeAll(async () => {
  folder = await writeLightRelease(folders.make(), {
    manifest: { variant: VARIANT },
    limits: { minAccuracy: 1, goldenTolerance: 1e-5 },
    golden: [[8, -8]],
  });
});
afterAll(() => folders.remove());

describe('a worker with a sidecar', () => {
  it('answers as one that runs the model by itself, passes its suite, and ends with it', async () => {
    const handle = await worker();
    expect(handle.provider).toEqual({ requested: ['cpu'], effective: 'cpu', rejected: [] });
    expect(handle.excludes).toBeNull();
    const light = await handle.infer(await grayFrame(204));
    expect(light).toMatchObject({ label: 'light', index: 1 });
    expect(light.confidence).toBeCloseTo(0.99993228, 6);
    const { passed, figures } = await handle.runAcceptance();
    expect([passed, figures.accuracy, figures.golden]).toEqual([true, 1, 1]);
    expect(figures.maxGoldenDifference).toBeLessThan(1e-5);

    const sidecar = sidecarOf(handle);
    expect(isRunning(sidecar)).toBe(true);
    await handle.stop();
    expect(await handle.exited).toMatchObject({ kind: 'stopped', code: 0 });
    expect(isRunning(sidecar)).toBe(false);
  });

  it('leaves a frame without an answer that the model does not take, and goes on', async () => {
    const handle = await worker();
    const broken = { source: 'x', picture: { kind: 'encoded', bytes: Buffer.from('no picture') } } as const;
    await expect(handle.infer(broken)).rejects.toMatchObject({ code: 'frame-undecodable' });
    expect(await handle.infer(await grayFrame(0))).toMatchObject({ label: 'dark' });
  });

  it('is lost with a sidecar that is killed', async () => {
    const handle = await worker();
    process.kill(sidecarOf(handle), 'SIGKILL');
    expect(await handle.exited).toMatchObject({ kind: 'died', words: expect.stringContaining('signal SIGKILL') });
    await expect(handle.infer(await grayFrame(0))).rejects.toMatchObject({
      name: 'WorkerLostError',
      code: 'sidecar-lost',
    });
    expect(isRunning(handle.pid)).toBe(false);
  });

  it('is lost with a sidecar that is killed in the middle of a frame', async () => {
    const handle = await worker();
    process.kill(sidecarOf(handle), 'SIGSTOP');
    const answer = handle.infer(await grayFrame(0));
    process.kill(sidecarOf(handle), 'SIGKILL');
    await expect(answer).rejects.toMatchObject({ name: 'WorkerLostError', code: 'sidecar-lost' });
  });

  it('takes its sidecar with it when it is killed itself', async () => {
    const handle = await worker();
    const sidecar = sidecarOf(handle);
    process.kill(handle.pid, 'SIGKILL');
    expect(await handle.exited).toMatchObject({
      kind: 'died',
      words: expect.stringContaining('the worker ended by itself'),
    });
    expect(isRunning(sidecar)).toBe(false);
  });

  it('is ended with a sidecar that hangs on a frame', async () => {
    const handle = await worker({ frameTimeoutMs: 300 });
    process.kill(sidecarOf(handle), 'SIGSTOP');
    await expect(handle.infer(await grayFrame(0))).rejects.toMatchObject({ code: 'frame-timeout' });
    expect(await handle.exited).toMatchObject({ kind: 'killed' });
    expect(isRunning(sidecarOf(handle))).toBe(false);
  });

  it('is ended with a sidecar that hangs while nothing is asked', async () => {
    const handle = await worker({ frameTimeoutMs: 300, heartbeatMs: 50 });
    process.kill(sidecarOf(handle), 'SIGSTOP');
    expect(await handle.exited).toMatchObject({ kind: 'killed', words: expect.stringContaining('heartbeat') });
  });

  it('counts the memory of both', async () => {
    const handle = await worker();
    const meter = new ProcessUsageMeter();
    const each = [handle.pid, sidecarOf(handle)].map((pid) => meter.sample([pid]).rssBytes / 2 ** 20);
    meter.close();
    await handle.stop();
    // More than either of them has, and less than both.
    const maxMemoryMB = Math.round(Math.max(...each) + Math.min(...each) / 2);
    const ended = worker({ maxMemoryMB }).then(({ exited }) => exited.then(({ words }) => words));
    expect(await ended.catch((error: Error) => error.message)).toContain(`at most ${maxMemoryMB} MB are allowed`);
  });

  it('loads in the place of a file what was built of it', async () => {
    const built = join(folders.make(), 'built');
    writeFileSync(built, 'built of nothing');
    await expect(worker({ prepared: { 'model.onnx': built } })).rejects.toMatchObject({
      message: expect.stringContaining('reference does not load the model'),
    });
  });
});

describe('a worker that finds no sidecar', () => {
  it('says which there are', async () => {
    const sidecars = [provenSidecar(referenceCommand(), { runtime: 'tflite', formats: ['tflite'] })];
    await expect(worker({ sidecars })).rejects.toMatchObject({
      code: 'worker-start-failed',
      message: expect.stringContaining('there is reference (tflite with tflite)'),
    });
    await expect(worker({ sidecars: [] })).rejects.toMatchObject({
      message: expect.stringContaining('there are none'),
    });
  });

  it('says what a sidecar has said last that does not start', async () => {
    const says = `process.stderr.write('the package is missing: install it\\n'); process.exit(3)`;
    const sidecars = [provenSidecar([process.execPath, '-e', says])];
    const error = await worker({ sidecars }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'worker-start-failed' });
    expect(String(error)).toContain('exit code 3): the package is missing: install it');
  });

  it('says that there is no such program', async () => {
    await expect(worker({ sidecars: [provenSidecar(['/no/such/program'])] })).rejects.toMatchObject({
      code: 'worker-start-failed',
    });
  });
});

describe('the fence of a sidecar', () => {
  it('keeps the environment of the agent from it', async () => {
    process.env.AVIARY_SECRET = 'secret';
    const file = join(folders.make(), 'environment');
    const says = `require('node:fs').writeFileSync(${JSON.stringify(file)}, Object.keys(process.env).sort().join(' '))`;
    await worker({ sidecars: [provenSidecar([process.execPath, '-e', says])] }).catch(() => undefined);
    delete process.env.AVIARY_SECRET;
    expect(existsSync(file)).toBe(true);
    const names = readFileSync(file, 'utf8').split(' ');
    expect(names).toEqual(expect.arrayContaining(['MALLOC_ARENA_MAX', 'PATH']));
    expect(names).not.toContain('AVIARY_SECRET');
  });
});
