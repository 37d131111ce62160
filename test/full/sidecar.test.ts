import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findSidecars } from '../../apps/agent/src/inference/sidecar/find-sidecars.ts';
import { grayInput } from '../../apps/agent/src/inference/testing/light-manifest.ts';
import {
  grayPng,
  LIGHT_LAYER,
  workerFromSource,
  writeLightRelease,
} from '../../apps/agent/src/inference/testing/light-release.ts';
import { startWorker } from '../../apps/agent/src/inference/worker-handle.ts';
import { referenceCommand } from '../../apps/agent/src/testing/reference-sidecar.ts';

const AGENT = fileURLToPath(new URL('../../apps/agent/bin/aviary-agent.js', import.meta.url));
const PYTHON = fileURLToPath(new URL('../../apps/agent/sidecars/python', import.meta.url));
const STAND_INS = fileURLToPath(new URL('../support/sidecar-stand-ins', import.meta.url));

const floats = (shape: readonly number[]) => ({ type: 'float32', shape });
/** Of numbers from 0 to 1, and of scores from -8 to 8. */
const quantised = { input: { scale: 1 / 255, zeroPoint: 0 }, output: { scale: 1 / 8, zeroPoint: 128 } };

/** Each with a file that its stand-in takes for a model. */
const SIDECARS = [
  {
    name: 'edgetpu',
    runtime: 'tflite',
    version: '2.14.0',
    format: 'tflite',
    missing: /TensorFlow Lite for Python is missing: apt-get install/,
    gone: { STAND_IN_EDGETPU: 'none' },
    head: '\0\0\0\0TFL3 edgetpu-custom-op ',
    input: { name: 'x', type: 'uint8', shape: [1, 2, 2, 1], ...quantised.input },
    output: { name: 'y', type: 'uint8', shape: [1, 2], ...quantised.output },
  },
  {
    name: 'hailo',
    runtime: 'hailort',
    version: '4.20.0',
    format: 'hef',
    missing: /hailo_platform is missing: apt-get install/,
    gone: { STAND_IN_HAILO: 'none' },
    head: '\x01HEF',
    input: { name: 'x', type: 'uint8', shape: [1, 2, 2, 1], ...quantised.input },
    output: { name: 'y', ...floats([1, 2]) },
  },
  {
    name: 'tensorrt',
    runtime: 'tensorrt',
    version: '10.3.0',
    format: 'engine',
    missing: /tensorrt is missing: apt-get install/,
    gone: { STAND_IN_CUDA: 'none' },
    head: 'ptrt',
    input: { name: 'x', ...floats([1, 1, 2, 2]) },
    output: { name: 'y', ...floats([1, 2]) },
  },
] as const;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-sidecars-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const check = (model: string, ...what: readonly string[]) => {
  const args = [AGENT, 'check-sidecar', '--with-model', model, ...what];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 110_000 });
  return { lines: stdout.trimEnd().split('\n'), stderr, status };
};

/** A sidecar of the package beside its manifest, with what stands for its vendor's package. */
const installed = async (name: string, environment: Readonly<Record<string, string>>) => {
  const own = await mkdtemp(join(folder, `${name}-`));
  const manifest = JSON.parse(await readFile(join(PYTHON, `${name}.json`), 'utf8'));
  const [python, option, program] = manifest.command;
  const path = join(own, `${name}.json`);
  const command = [python, option, join(PYTHON, program)];
  await writeFile(path, JSON.stringify({ ...manifest, command, environment }));
  return { own, path };
};

const modelOf = async ({ head, input, output, format }: (typeof SIDECARS)[number]): Promise<string> => {
  const path = join(await mkdtemp(join(folder, 'model-')), `model.${format}`);
  await writeFile(
    path,
    Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(JSON.stringify({ input, output, ...LIGHT_LAYER }))]),
  );
  return path;
};

describe('the reference sidecar', () => {
  it('meets all that the agent asks of one', async () => {
    const release = await writeLightRelease(join(folder, 'reference'));
    const { lines, status, stderr } = check(join(release, 'model.onnx'), '--', ...referenceCommand());
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
    expect(lines.length).toBeGreaterThanOrEqual(20);
    expect([status, stderr]).toEqual([0, '']);
  });
});

describe.each(SIDECARS)('the sidecar for $runtime', (sidecar) => {
  const { name, runtime, version, format, missing, gone } = sidecar;

  it('meets all that the agent asks of one', async () => {
    const { path } = await installed(name, { PYTHONPATH: STAND_INS });
    const { lines, status, stderr } = check(await modelOf(sidecar), path);
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
    expect(lines.length).toBeGreaterThanOrEqual(20);
    expect([status, stderr]).toEqual([0, '']);
  });

  it('says what to install where its package is missing', async () => {
    const { own } = await installed(name, {});
    const { proven, failed } = await findSidecars(own);
    expect(proven).toEqual([]);
    expect(failed).toEqual([{ name, runtime, problem: expect.stringMatching(missing) }]);
  });

  it('is not usable without its accelerator', async () => {
    const { own } = await installed(name, { PYTHONPATH: STAND_INS, ...gone });
    const { failed } = await findSidecars(own);
    expect(failed).toEqual([{ name, runtime, problem: expect.stringContaining('cannot be used') }]);
  });

  it('runs a release, with the numbers and the layout of its model', async () => {
    const { own } = await installed(name, { PYTHONPATH: STAND_INS });
    const { proven, failed } = await findSidecars(own);
    expect(failed).toEqual([]);
    expect(proven.map(({ hello }) => [hello.runtime, hello.version])).toEqual([[runtime, version]]);
    const release = join(folder, `release-${name}`);
    const file = `model.${format}`;
    await mkdir(release);
    await writeLightRelease(release, {
      manifest: {
        variant: { id: 'compiled', runtime, format, precision: 'int8', file },
        preprocessing: grayInput(2, 2),
      },
      limits: { minAccuracy: 1 },
    });
    await copyFile(await modelOf(sidecar), join(release, file));
    const worker = await startWorker({
      archiveDirectory: release,
      providers: ['cpu'],
      sidecars: proven,
      ...workerFromSource,
    });
    try {
      const answer = await worker.infer({ source: 'a', picture: { kind: 'encoded', bytes: await grayPng(204) } });
      // m = 0.8: scores ±4.8, to an eighth where they are quantised
      expect(answer.label).toBe('light');
      expect(answer.confidence).toBeCloseTo(0.9999, 3);
      expect(await worker.runAcceptance()).toMatchObject({ passed: true, figures: { accuracy: 1 } });
      expect(worker.excludes === null).toBe(runtime === 'tensorrt');
    } finally {
      await worker.stop();
    }
  });
});

describe('the sidecar for tensorrt', () => {
  it('builds an engine of an ONNX file, and loads that', async () => {
    const [, , { input, output }] = SIDECARS;
    const { path } = await installed('tensorrt', { PYTHONPATH: STAND_INS });
    const model = join(folder, 'model.onnx');
    await writeFile(model, JSON.stringify({ input, output, ...LIGHT_LAYER }));
    const { lines } = check(model, path);
    expect(lines).toContain('ok      prepares the model, and loads what it has made');
    expect(lines.filter((line) => line.startsWith('FAILED')).map((line) => line.split(':')[0])).toEqual([
      'FAILED  loads the model, and names its inputs and outputs',
    ]);
  });
});

describe('a program that is no sidecar', () => {
  it('is told what it does not meet', async () => {
    const release = await writeLightRelease(join(folder, 'none'));
    const { lines, status } = check(join(release, 'model.onnx'), '--', 'cat');
    expect(status).toBe(1);
    expect(lines).toEqual([
      expect.stringMatching(/^FAILED {2}says hello in protocol 1.*the sidecar ended \(exit code 0\)/),
    ]);
  });

  it('is not looked for where the command line is wrong', () => {
    expect(check('model.onnx')).toMatchObject({ status: 2, stderr: expect.stringContaining('Expected a manifest') });
    expect(check('model.bin', '--', 'cat')).toMatchObject({ status: 2, stderr: expect.stringContaining('--format') });
  });
});
