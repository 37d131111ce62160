import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DeviceFacts, exampleFacts } from '@aviary/hardware';
import type { ReleaseManifest } from '@aviary/release';
import { pino } from 'pino';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProvenSidecar } from '../inference/sidecar/find-sidecars.ts';
import { LIGHT_VARIANT } from '../inference/testing/light-manifest.ts';
import { TemporaryFolders, workerFromSource, writeLightRelease } from '../inference/testing/light-release.ts';
import { startWorker } from '../inference/worker-handle.ts';
import { SealedBox } from '../state/sealed-box.ts';
import { provenSidecar, referenceCommand } from '../testing/reference-sidecar.ts';
import { heldRelease } from '../testing/releases.ts';
import { Preparation, type PreparationParts } from './preparation.ts';
import { PreparedCache } from './prepared-cache.ts';

const VARIANT: ReleaseManifest['variant'] = { ...LIGHT_VARIANT, runtime: 'tensorrt' };
const folders = new TemporaryFolders();
afterAll(() => folders.remove());

const box = new SealedBox(randomBytes(32), 'test');
const builder = (hello: Partial<ProvenSidecar['hello']> = {}, command = referenceCommand()): ProvenSidecar =>
  provenSidecar(command, { prepares: ['onnx'], ...hello });
/** Says what `node -e` runs. */
const program = (source: string): ProvenSidecar => builder({}, [process.execPath, '-e', source]);

let disk: string;
let built: number;
beforeEach(() => {
  disk = folders.make();
  built = 0;
});

const preparation = (parts: Partial<PreparationParts> = {}): Preparation =>
  new Preparation({
    sidecars: [builder()],
    cache: new PreparedCache(disk, box, { maxBytes: 2 ** 30 }),
    facts: exampleFacts('jetson-orin-nano'),
    log: pino({ level: 'silent' }),
    ...parts,
  });

const opened = (manifest: Partial<ReleaseManifest> = { variant: VARIANT }): Promise<string> =>
  writeLightRelease(folders.make(), { manifest });

const onBuild = async (): Promise<void> => {
  built += 1;
};

describe('a release whose runtime builds what it loads', () => {
  it('is built once, is loaded as what was built, and answers', async () => {
    const folder = await opened();
    const prepared = await preparation().ready(folder, { onBuild });
    const path = prepared['model.onnx'] ?? '';
    expect(built).toBe(1);
    // What ONNX Runtime has optimised is another file.
    expect(readFileSync(path).equals(readFileSync(join(folder, 'model.onnx')))).toBe(false);
    const worker = await startWorker({
      archiveDirectory: folder,
      providers: ['cpu'],
      sidecars: [builder()],
      prepared,
      ...workerFromSource,
    });
    expect(await worker.runAcceptance()).toMatchObject({ passed: true, figures: { accuracy: 1 } });
    await worker.stop();

    // Opened anew, as after a start: no sidecar is needed for it.
    const again = await opened();
    const idle = preparation({ sidecars: [program('process.exit(1)')] });
    const found = await idle.ready(again, { onBuild });
    expect(built).toBe(1);
    expect(readFileSync(found['model.onnx'] ?? '').equals(readFileSync(path))).toBe(true);
    expect(await idle.ready(again, { onBuild })).toEqual(found);
  });

  it.each<[string, Partial<PreparationParts>, Partial<ReleaseManifest['variant']>]>([
    ['another version of the runtime', { sidecars: [builder({ version: '10.4' })] }, {}],
    ['another precision', {}, { precision: 'fp16' }],
    ['another compute capability', { facts: change({ accelerators: [] }) }, {}],
    ['another Jetson Linux', { facts: change({ l4t: '36.5' }) }, {}],
    ['another TensorRT', { facts: change({ runtimes: [] }) }, {}],
  ])('is built anew for %s', async (_, parts, variant) => {
    await preparation().ready(await opened(), { onBuild });
    await preparation(parts).ready(await opened({ variant: { ...VARIANT, ...variant } }), { onBuild });
    expect(built).toBe(2);
  });

  it('is built anew where what was kept is damaged', async () => {
    await preparation().ready(await opened(), { onBuild });
    const [key = ''] = await readdir(disk);
    await writeFile(join(disk, key), 'damaged');
    await preparation().ready(await opened(), { onBuild });
    expect(built).toBe(2);
  });

  it('serves where it cannot be kept', async () => {
    const cache = { open: async () => false, put: () => Promise.reject(new Error('ENOSPC')) };
    const paths = await preparation({ cache }).ready(await opened());
    expect(existsSync(paths['model.onnx'] ?? '')).toBe(true);
  });

  it.each<[string, Partial<PreparationParts>, string, RegExp]>([
    [
      'does not build it',
      { sidecars: [program(`process.stderr.write('no memory on the GPU\\n'); process.exit(1)`)] },
      'prepare-failed',
      /reference: .*exit code 1\): no memory on the GPU/,
    ],
    [
      'hangs',
      { sidecars: [program('setInterval(() => {}, 1000)')], timeoutMs: 500 },
      'prepare-timeout',
      /not built it within/,
    ],
    [
      'takes too much memory',
      {
        sidecars: [program('globalThis.a = Buffer.alloc(300 * 2 ** 20, 1); setInterval(() => {}, 1000)')],
        maxMemoryMB: 200,
      },
      'prepare-memory',
      /at most 200 MB are allowed/,
    ],
  ])('fails where its sidecar %s', async (_, parts, code, words) => {
    const folder = await opened();
    await expect(preparation(parts).ready(folder)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(words),
    });
    expect(await readdir(join(folder, '.prepared'))).toEqual([]);
    expect(await readdir(disk)).toEqual([]);
  });

  it('fails with the words of a sidecar that refuses the model', async () => {
    const folder = await opened();
    await writeFile(join(folder, 'model.onnx'), 'no model');
    await expect(preparation().ready(folder)).rejects.toMatchObject({
      code: 'prepare-failed',
      message: expect.stringContaining('reference: ONNX Runtime'),
    });
  });

  it('is not built any more when nobody wants it', async () => {
    const abort = new AbortController();
    const sidecars = [program('setInterval(() => {}, 1000)')];
    const ready = preparation({ sidecars }).ready(await opened(), { signal: abort.signal });
    setTimeout(() => abort.abort(new Error('another release is assigned')), 200);
    await expect(ready).rejects.toThrow('another release is assigned');
  });
});

describe('a release that is loaded as it was published', () => {
  it('needs nothing', async () => {
    const all = preparation();
    expect(all.isNeeded(heldRelease('x', { runtime: 'tensorrt', format: 'onnx' }))).toBe(true);
    for (const [runtime, format] of [
      ['onnxruntime', 'onnx'],
      ['tensorrt', 'engine'],
      ['tflite', 'tflite'],
    ] as const) {
      expect(all.isNeeded(heldRelease('x', { runtime, format }))).toBe(false);
    }
    // As journals have it that are older than sidecars.
    expect(all.isNeeded(heldRelease('x'))).toBe(false);
    expect(await all.ready(await opened({}))).toEqual({});
    expect(await preparation({ sidecars: [] }).ready(await opened())).toEqual({});
  });
});

function change(facts: Partial<DeviceFacts>): DeviceFacts {
  return { ...exampleFacts('jetson-orin-nano'), ...facts };
}
