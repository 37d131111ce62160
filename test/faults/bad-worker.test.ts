import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { makePki } from '../../apps/agent/src/testing/fleet-pki.ts';
import { recordsOf } from '../../apps/agent/src/testing/records.ts';
import { sealLightRelease } from '../../apps/agent/src/testing/sealed-light-release.ts';
import { identity } from '../../apps/agent/src/testing/sealed-release.ts';
import { DevicePlane } from './device-plane.ts';
import { a } from './device-story.ts';
import { PLAYED_PROGRAMS, RunningDevice } from './running-device.ts';
import { soon } from './soon.ts';
import { prepareState, StateFolders } from './state-folders.ts';

const pki = await makePki(identity.deviceId);
const workerPath = fileURLToPath(new URL('./bad-worker.ts', import.meta.url));
const WORKER_MEMORY_MB = 300;
/** Seconds; far more than five workers take to start and to go wrong. */
const PATIENCE = 100;

const folders = new StateFolders();
const ends: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await folders.remove();
});

const inTime = (what: string, isSo: () => boolean) => soon(what, isSo, PATIENCE);

// At the same time, since they wait most of it: the agent lets a worker that dies again and again rest a little longer each time.
it.concurrent.each([
  ['crashes', /signal SIGABRT/, {}],
  ['ends', /exit code 1/, {}],
  // Sooner than on a board, so that five of them fit into a test.
  ['hangs', /no answer to a frame within 2000 ms/, { frameTimeoutMs: 2_000 }],
  ['answers garbage', /something that is no answer/, {}],
  ['speaks another protocol', /expected a message with a head/, {}],
  ['leaks', /MB in memory, at most 300 MB are allowed/, {}],
] as const)(
  'a worker that %s: the release before serves, and its own is not tried again',
  async (manner, words, change) => {
    const bad = await sealLightRelease('light-reader@1.1.0', { releaseCounter: 3, files: { 'bad.txt': manner } });
    const folder = await folders.make();
    await prepareState(folder, { committed: bad.held, previous: a.held, rollbackFloor: 2 }, [a, bad]);
    const plane = new DevicePlane([a, bad]);
    const device = await RunningDevice.start(folder, plane, pki, {
      ...PLAYED_PROGRAMS,
      worker: { workerPath, ...change },
      workerMemoryMB: WORKER_MEMORY_MB,
      telemetrySeconds: 1,
    });
    ends.push(() => device.stop());
    await inTime('the release before answers', () => device.served.includes(a.statement.release));
    await inTime('it is told', () => plane.events.includes('release-quarantined'));

    expect(device.served).toEqual([bad.statement.release, a.statement.release]);
    const losses = recordsOf(plane.records, 'event').filter(({ code }) => code === 'worker-lost');
    expect(losses.map(({ message, at }) => `${at} ${message}`)).toHaveLength(5);
    for (const { message } of losses) expect(message).toMatch(words);
    await inTime('frames that came meanwhile are counted', () => {
      const windows = recordsOf(plane.records, 'metrics').filter(({ release }) => release === bad.statement.release);
      return windows.some(({ dropped }) => dropped > 0) && windows.some(({ errors }) => errors > 0);
    });
    expect(JSON.parse(await readFile(`${folder}/journal.json`, 'utf8'))).toMatchObject({
      quarantined: [bad.held.digest],
    });
  },
);
