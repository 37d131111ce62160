import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { recordsOf } from '../../apps/agent/src/testing/records.ts';
import { sealLightRelease } from '../../apps/agent/src/testing/sealed-light-release.ts';
import { badReleaseRig } from './bad-release-rig.ts';
import { PLAYED_PROGRAMS } from './running-device.ts';

const workerPath = fileURLToPath(new URL('./bad-worker.ts', import.meta.url));
const WORKER_MEMORY_MB = 300;
/** Seconds; far more than five workers take to start and to go wrong. */
const PATIENCE = 100;

const { inTime, startWith, demandWayBack } = await badReleaseRig(PATIENCE);

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
    const tried = await startWith(bad, {
      ...PLAYED_PROGRAMS,
      worker: { workerPath, ...change },
      workerMemoryMB: WORKER_MEMORY_MB,
    });
    await demandWayBack(tried, bad, words);
    await inTime('frames that it did not answer are told as errors', () =>
      recordsOf(tried.plane.records, 'metrics').some(
        ({ release, errors }) => release === bad.statement.release && errors > 0,
      ),
    );
    // Those that came while no worker was there.
    expect(await tried.device.framesDropped()).toBeGreaterThan(0);
  },
);
