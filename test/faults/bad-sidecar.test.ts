import { readdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { processesWith } from '../../apps/agent/src/testing/processes.ts';
import { recordsOf } from '../../apps/agent/src/testing/records.ts';
import { provenSidecar, referenceCommand } from '../../apps/agent/src/testing/reference-sidecar.ts';
import { sealLightRelease } from '../../apps/agent/src/testing/sealed-light-release.ts';
import { badReleaseRig } from './bad-release-rig.ts';
import { DevicePlane } from './device-plane.ts';
import { a } from './device-story.ts';
import { REAL_PROGRAMS } from './running-device.ts';
import { prepareState } from './state-folders.ts';

const BAD_SIDECAR = fileURLToPath(new URL('./bad-sidecar.ts', import.meta.url));
/** A worker without a runtime of its own has about 100 MB, and a sidecar of Node's 60. */
const WORKER_MEMORY_MB = 300;
/** The run on an empty picture when it is loaded, and two frames. */
const GOOD_RUNS = 3;
/** Seconds; far more than five pairs of processes take to start and to go wrong, where many do so at once. */
const PATIENCE = 200;

const { makeFolder, inTime, start, stop, startWith, demandWayBack } = await badReleaseRig(PATIENCE);

it('a release for a sidecar serves, comes back when the sidecar is killed, and is told as what runs it', async () => {
  const release = await sealLightRelease('light-reader@1.1.0', { releaseCounter: 3, runtime: 'tensorrt' });
  // A word of its own in its command line, to find it by.
  const command = referenceCommand('--provider', 'gpu');
  const { plane, device } = await startWith(release, {
    ...REAL_PROGRAMS,
    sidecars: { proven: [provenSidecar(command)], failed: [] },
  });
  await inTime('it answers', () => device.served.length > 0);
  await inTime('what runs it is told', () => recordsOf(plane.records, 'metrics').length > 0);
  const [window] = recordsOf(plane.records, 'metrics');
  expect(window?.provider).toEqual({ requested: ['gpu'], effective: 'cpu' });
  expect(plane.events).toContain('provider-fallback');

  const [sidecar = 0, ...others] = processesWith(...command.slice(1));
  expect(others).toEqual([]);
  process.kill(sidecar, 'SIGKILL');
  await inTime('its loss is told', () => plane.events.includes('worker-lost'));
  const windows = recordsOf(plane.records, 'metrics').length;
  await inTime('another one answers', () => {
    const later = recordsOf(plane.records, 'metrics').slice(windows + 1);
    return later.some(({ frames, release: served }) => frames > 0 && served === release.statement.release);
  });
  const [loss] = recordsOf(plane.records, 'event').filter(({ code }) => code === 'worker-lost');
  expect(loss?.message).toContain('signal SIGKILL');
  expect(device.served).toEqual([release.statement.release]);
});

it('a release that is built on the device is told as PREPARING, serves, and is built once', async () => {
  const release = await sealLightRelease('light-reader@1.1.0', { releaseCounter: 3, runtime: 'tensorrt' });
  const folder = await makeFolder();
  await prepareState(folder, { committed: a.held, rollbackFloor: 2 }, [a]);
  const builder = provenSidecar(referenceCommand(), { prepares: ['onnx'] });
  const states = (plane: DevicePlane) => recordsOf(plane.records, 'execution').map(({ state }) => state);
  const run = async (plane: DevicePlane) => {
    const sidecars = { proven: [builder], failed: [] };
    const device = await start(folder, plane, { ...REAL_PROGRAMS, sidecars });
    await inTime('it serves', () => device.served.at(-1) === release.statement.release);
    return device;
  };
  const plane = new DevicePlane([a, release]);
  plane.assign(release, 1);
  const device = await run(plane);
  expect(device.served).toEqual([a.statement.release, release.statement.release]);
  await inTime('its end is told', () => states(plane).includes('SUCCEEDED'));
  const told = ['DOWNLOADING', 'DOWNLOADED', 'VERIFIED', 'PREPARING', 'INSTALLING', 'PROBATION', 'SUCCEEDED'];
  expect(states(plane)).toEqual(told);
  const [built = '', ...others] = await readdir(`${folder}/prepared`);
  expect(others).toEqual([]);
  const { mtimeMs, ino } = await stat(`${folder}/prepared/${built}`);
  await stop(device);

  await run(new DevicePlane([a, release]));
  const later = await stat(`${folder}/prepared/${built}`);
  // It was opened, and is the same file.
  expect([later.ino, later.mtimeMs > mtimeMs]).toEqual([ino, true]);
});

// At the same time, since they wait most of it: the agent lets a worker that dies again and again rest a little longer each time.
it.concurrent.each([
  ['crashes', /sidecar .*SIGABRT|closed its connection/, {}],
  // Sooner than on a board, so that five of them fit into a test.
  ['hangs', /no answer to a frame within 2000 ms/, { frameTimeoutMs: 2_000 }],
  ['answers garbage', /something that is no answer/, {}],
  ['closes its socket', /the sidecar has closed its connection/, {}],
  ['leaks', /MB in memory, at most 300 MB are allowed/, {}],
] as const)(
  'a sidecar that %s: the release before serves, and its own is not tried again',
  async (manner, words, change) => {
    const bad = await sealLightRelease('light-reader@1.1.0', { releaseCounter: 3, runtime: 'tensorrt' });
    const command = [process.execPath, '--conditions=aviary-source', BAD_SIDECAR, manner, String(GOOD_RUNS)];
    const tried = await startWith(bad, {
      ...REAL_PROGRAMS,
      worker: { ...REAL_PROGRAMS.worker, ...change },
      sidecars: { proven: [provenSidecar(command, { name: 'bad', provider: 'gpu' })], failed: [] },
      workerMemoryMB: WORKER_MEMORY_MB,
    });
    await demandWayBack(tried, bad, words);
    // None of them is left behind.
    expect(processesWith(BAD_SIDECAR, manner)).toEqual([]);
  },
  2 * PATIENCE * 1000,
);
