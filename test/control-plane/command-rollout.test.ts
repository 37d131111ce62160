import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { insertDevice, insertRelease, variantRow } from '../support/rows.ts';
import { runAviary } from '../support/run-aviary.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';

// Runs the built command: npx tsc -b apps/cli
let plane: TestAdminPlane;
let home: string;

const aviary = (...args: string[]) =>
  runAviary(home, args, '', { AVIARY_SERVER: plane.server, AVIARY_TOKEN: plane.services.adminToken });

beforeAll(async () => {
  plane = await TestAdminPlane.start();
  for (const [index, version] of ['1.0.0', '2.0.0'].entries()) {
    await insertRelease(plane.database, `meter@${version}`, index + 1, [variantRow('meter', version, ['rpi5'], 1)]);
  }
  for (const id of ['d-1', 'd-2', 'd-3']) await insertDevice(plane.database, id);
  await plane.database.query(`update device set name = 'over the door' where id = 'd-2'`);
});
afterAll(() => plane.stop());
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'aviary-home-'));
  return () => rm(home, { recursive: true, force: true });
});

const write = (file: string, ...lines: string[]) => writeFile(join(home, file), lines.join('\n'));

describe('rollout create', () => {
  it('takes a list of devices by id or name, and warns of a rollout that wants some of them too', async () => {
    await write('list.txt', '# third floor', '', 'd-1', 'over the door  # was moved');
    const listed = ['rollout', 'create', '--devices-from', 'list.txt', '--release'];
    const { stdout, code } = await aviary(...listed, 'meter@1.0.0', '--priority', '600');
    expect(code).toBe(0);
    const first = stdout.trim();
    expect((await plane.services.rollouts.show(first)).target).toBe('id in (d-1, d-2)');

    const created = await aviary('rollout', 'create', '--release', 'meter@2.0.0', '--newcomers', 'ignore');
    expect(created.stderr).toBe(
      `Warning: rollout ${first} of meter@1.0.0 (priority 600) is under way on 2 of these devices; it outranks this one and keeps those that it takes.\n`,
    );
    expect(created.stdout).toMatch(/^[0-9a-f-]{36}\n$/);
  });

  it('names every wrong line of a list, and creates nothing', async () => {
    await write('list.txt', 'd-1', 'd-9', '"d-2"', 'd-1');
    const { stderr, code } = await aviary(
      'rollout',
      'create',
      '--devices-from',
      'list.txt',
      '--release',
      'meter@1.0.0',
    );
    expect(code).toBe(2);
    expect(stderr).toContain(
      [
        'list.txt cannot be followed:',
        '  list.txt:2 no device has the id or name d-9',
        '  list.txt:3 expected one id or name, without double quotes',
        '  list.txt:4 expected each device once: it is in line 1 already',
      ].join('\n'),
    );
  });

  it('says where in the file an unknown release is required, with whatever else is wrong there', async () => {
    await write('rollout.yaml', 'release: meter@2.0.0', 'requires: meter@9.0.0', 'strategy:', '  stratifyBy: none');
    const { stderr, code } = await aviary('rollout', 'create', '-f', 'rollout.yaml');
    expect(code).toBe(2);
    expect(stderr).toContain('rollout.yaml:2:1 requires: expected a release that was pushed, got "meter@9.0.0"');
    expect(stderr).toContain('rollout.yaml:4:3 strategy.stratifyBy: expected profile');
  });
});
