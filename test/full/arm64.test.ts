import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import type { DeviceDetail } from '@aviary/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EmulatedBoard } from '../support/emulated-board.ts';
import { command } from '../support/installed-agent.ts';
import { PROBATION, TestFleet, until } from '../support/test-fleet.ts';
import { writeGreyPictures } from '../support/test-model.ts';

/** An emulated processor is ten times as slow as this machine's. */
const LONG_MS = 600_000;
const PATIENCE_S = 240;

let folder: string;
let home: string;
let fleet: TestFleet;
let board: EmulatedBoard;
let running: ReturnType<EmulatedBoard['start']> | undefined;
let deviceId: string;

/** Starts the agent (again). @param options beside those that each start has */
const run = async (...options: string[]): Promise<void> => {
  await running?.stop();
  const folders = ['--state-dir', join(home, 'state'), '--plaintext-dir', join(home, 'plain')];
  const pictures = ['--source', `dir:${join(home, 'pictures')}`, '--fps', '2'];
  running = board.start('run', ...folders, ...pictures, '--telemetry-seconds', '2', ...options);
};

const device = (what: string, look: (seen: DeviceDetail) => boolean): Promise<DeviceDetail> =>
  until(what, PATIENCE_S, async () => {
    const seen = await fleet.client.showDevice({ params: { id: deviceId } });
    return look(seen) ? seen : undefined;
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-arm64-test-'));
  home = join(folder, 'board');
  await mkdir(home);
  await command(process.execPath, 'deploy/packaging/package.ts', 'agent', '--arch', 'arm64', '--out', folder);
  const deb = (await readdir(folder)).find((name) => name.endsWith('_arm64.deb')) ?? '';
  board = await EmulatedBoard.lay(home, join(folder, deb));
  await writeGreyPictures(join(home, 'pictures'), 5);
  fleet = await TestFleet.start();
}, LONG_MS);

afterAll(async () => {
  await running?.stop();
  await fleet?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}, LONG_MS);

describe('the package for arm64, on a processor that is emulated', { timeout: LONG_MS }, () => {
  it('joins, and says what it is', async () => {
    const { token } = await fleet.client.createJoinToken({ body: { labels: { site: 'test' } } });
    const said = await board.agent('join', '--state-dir', join(home, 'state'), '--token', token, '--name', 'board');
    deviceId = /^joined as (d-\S+)/m.exec(said)?.[1] ?? '';
    await run();
    const { facts } = await device('the board being online', ({ presence }) => presence === 'online');
    expect(facts).toMatchObject({
      arch: 'arm64',
      glibc: expect.stringMatching(/^2\.\d+$/),
      runtimes: [{ name: 'onnxruntime', providers: expect.arrayContaining(['cpu']) }],
    });
  });

  it('admits a release that was rolled out, as a Raspberry Pi 4', async () => {
    const { facts } = await device('its facts', ({ presence }) => presence === 'online');
    // What only such a board's device tree says: this machine's /proc has no room for one.
    const { deviceTree } = exampleFacts('rpi4');
    const file = join(home, 'facts.json');
    await writeFile(file, JSON.stringify({ ...facts, deviceTree }));
    await run('--facts', file);
    await device('its profile', ({ profile }) => profile === 'rpi4');
    await fleet.push({ version: '1.0.0', manner: 'sure' });
    const probation = { ...PROBATION, minFrames: 3 };
    const strategy = { waves: [{ size: '100%', soak: '0s' }], deadline: '10m', probation };
    const { state, waves } = await fleet.ended(await fleet.rollOut('1.0.0', undefined, { strategy }), PATIENCE_S);
    expect({ state, counts: waves.map(({ counts }) => counts) }).toEqual({
      state: 'FINISHED',
      counts: [{ SUCCEEDED: 1 }],
    });
  });

  it('answers what its camera sees', async () => {
    const { running: release, field } = await device('pictures being answered', ({ field: releases }) =>
      releases.some(({ frames, errors, dropped }) => frames > errors + dropped),
    );
    expect(release?.release).toBe('grey@1.0.0');
    expect(field).toMatchObject([{ release: 'grey@1.0.0', errors: 0, effectiveProvider: 'cpu' }]);
  });
});
