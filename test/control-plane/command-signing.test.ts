import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runAviary } from '../support/run-aviary.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';

// Runs the built command: npx tsc -b apps/cli
let plane: TestAdminPlane;
let home: string;
beforeAll(async () => {
  plane = await TestAdminPlane.start();
  home = await mkdtemp(join(tmpdir(), 'aviary-home-'));
});
afterAll(async () => {
  await plane.stop();
  await rm(home, { recursive: true, force: true });
});

/** As a holder of two keys. */
const aviary = (holder: string, ...args: string[]) =>
  runAviary(home, args, '', {
    AVIARY_SERVER: plane.server,
    AVIARY_TOKEN: plane.services.adminToken,
    AVIARY_KEY: join(home, `${holder}.key`),
    AVIARY_ROOT_KEY: join(home, `${holder}-root.key`),
  });

it('a fleet that two holders found is theirs once the second has seen and signed both of it', async () => {
  for (const holder of ['ana', 'ben']) {
    expect(await aviary(holder, 'key', 'init', '--no-found', '--no-passphrase')).toMatchObject({ code: 0 });
  }
  const root = ['--root-holder', 'ben=ben-root.key.pub', '--root-threshold', '2'];
  const publisher = ['--publisher', 'ben=ben.key.pub', '--publisher-threshold', '2'];
  const { stdout: fingerprint } = await aviary('ana', 'root', 'init', '--name', 'ana', ...root, ...publisher);
  const known = ['--root-fingerprint', fingerprint.trim()];

  const unasked = await aviary('ben', 'root', 'sign', ...known);
  expect(unasked).toMatchObject({ code: 2, stdout: '' });
  const [shown = '', question] = unasked.stderr.split('aviary: ');
  expect(shown).toMatch(/^root version 1, until .*\n(.*\n)*root: adds ben .*\nroot: 2 of 2 have to sign\n/);
  expect(question).toMatch(/^Sign this\? There is no terminal to ask at; say --yes\.\n/);
  const untold = await aviary('ben', 'root', 'sign', '--yes');
  expect(untold).toMatchObject({ code: 2, stderr: expect.stringContaining('give it with --root-fingerprint') });

  const signedRoot = await aviary('ben', 'root', 'sign', '--yes', ...known);
  const waits = 'It waits for signatures: 1 more of publisher keys (aviary model sign).\n';
  expect(signedRoot).toEqual({ code: 0, stdout: waits, stderr: shown });
  const signedTargets = await aviary('ben', 'model', 'sign', '--yes', ...known);
  expect(signedTargets).toMatchObject({ code: 0, stdout: 'It is published.\n' });
  expect(signedTargets.stderr).toMatch(/^targets version 1, until .*\n(changes .*\n)+$/);
  for (const [command = '', whose = ''] of [
    ['root', 'root'],
    ['model', 'publisher'],
  ]) {
    const again = await aviary('ben', command, 'sign', '--yes');
    expect(again).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`No change waits for a signature of ${whose} keys.`),
    });
  }
});
