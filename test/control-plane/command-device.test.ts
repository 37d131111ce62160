import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { insertDevice, insertRelease } from '../support/rows.ts';
import { runAviary } from '../support/run-aviary.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';

// Runs the built command: npx tsc -b apps/cli
let plane: TestAdminPlane;
let home: string;

const aviary = async (...args: string[]) => {
  const answer = await runAviary(home, args, '', {
    AVIARY_SERVER: plane.server,
    AVIARY_TOKEN: plane.services.adminToken,
  });
  expect(answer).toMatchObject({ code: 0, stderr: '' });
  return answer.stdout;
};

beforeAll(async () => {
  plane = await TestAdminPlane.start();
  const variant = (name: string, more: object) => ({ variant: name, profiles: ['rpi5-hailo8l'], ...more });
  const onnx = { runtime: 'onnxruntime', format: 'onnx' };
  await insertRelease(plane.database, 'digits@1.4.0', 1, [
    variant('hef-hailo8', { runtime: 'hailort', format: 'hef', precision: 'int8', requires: { soc: ['hailo8'] } }),
    variant('onnx-fp32', { ...onnx, precision: 'fp32' }),
    variant('onnx-int8', { ...onnx, precision: 'int8' }),
  ]);
  await insertDevice(plane.database, 'd-hailo', { board: 'rpi5-hailo8l' });
  const facts = exampleFacts('rpi5-hailo8l');
  // As the agent of today says it.
  const runtimes = facts.runtimes.map((one) => (one.name === 'hailort' ? { ...one, usable: false } : one));
  await plane.database.query('update device set facts = $1, profile_reasons = $2', [
    JSON.stringify({ ...facts, runtimes }),
    JSON.stringify(['fits: has Hailo Hailo-8L (1e60:2864)']),
  ]);
});
afterAll(() => plane.stop());
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'aviary-home-'));
  return () => rm(home, { recursive: true, force: true });
});

describe('the commands about one device', () => {
  it('explain which variant it gets, with every reason, as a table', async () => {
    const lines = (await aviary('device', 'explain', 'd-hailo', 'digits@1.4.0')).trimEnd().split('\n');
    expect(lines).toEqual([
      'd-hailo gets onnx-int8 of digits@1.4.0',
      'profile   rpi5-hailo8l',
      '          fits: has Hailo Hailo-8L (1e60:2864)',
      'installed onnxruntime 1.30.0, hailort 4.20.0 (not used by its agent)',
      '',
      'RANK  VARIANT     RUNTIME      FORMAT  PRECISION  VERDICT           WHY',
      '1     onnx-int8   onnxruntime  onnx    int8       chosen',
      '2     onnx-fp32   onnxruntime  onnx    fp32       can run           rpi5-hailo8l prefers int8 to fp32',
      '-     hef-hailo8  hailort      hef     int8       runtime-unusable  hailort is installed, and the agent there cannot run models with it',
      '                                                  soc               needs chip hailo8, has 5-model-b, bcm2712, hailo8l',
    ]);
  });

  it('show how its board is, once it has told', async () => {
    expect(await aviary('device', 'show', 'd-hailo')).not.toMatch(/^is /m);
    await plane.database.query(
      `insert into field_metrics (device_id, release, since, updated_at, frames, dropped, errors, low_confidence, labelled, correct, board)
       values ('d-hailo', 'digits@1.4.0', now(), now(), 1, 0, 0, 0, 0, 0, $1)`,
      [JSON.stringify({ temperatureC: 82.4, load1: 1, throttled: ['throttled'] })],
    );
    expect(await aviary('device', 'show', 'd-hailo')).toMatch(
      /^is {8}82\.4 °C, load 1\.00, slowed down: throttled \(\d+s ago\)$/m,
    );
  });
});
