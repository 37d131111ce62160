import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ApiError, type OperatorProfileTask } from '@aviary/protocol';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { ReleaseProfile } from '../inference/release-profile.ts';
import { writeLightRelease } from '../inference/testing/light-release.ts';
import type { WorkerHandle } from '../inference/worker-handle.ts';
import { heldRelease } from '../testing/releases.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { OperatorProfiler, type ProfilerParts } from './operator-profiler.ts';

const makeFolder = temporaryFolders();
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const MEASURED: ReleaseProfile = {
  release: 'light@1.0.0',
  provider: { requested: ['cpu'], effective: 'cpu', rejected: [] },
  report: { frames: 5, runs: 5, runUs: 50, operatorUs: 40, operators: 1, slowest: [], types: [] },
};

/**
 * A device that is asked for these, one after the other; the same until it has answered.
 * @param heard when the control plane answers
 */
const prepare = async (change: Partial<ProfilerParts> = {}, heard: Promise<void> = Promise.resolve()) => {
  const tasks: OperatorProfileTask[] = [];
  const told: Parameters<ProfilerParts['reporter']['operatorProfile']>[0][] = [];
  let asked = 0;
  const call = async () => {
    asked += 1;
    await heard;
    const [task] = tasks;
    if (task !== undefined) return task;
    throw new ApiError({ type: 'about:blank', title: 'none', status: 404, code: 'operator-profile-none', detail: '' });
  };
  const folder = join(await makeFolder(), 'profile');
  const profiler = new OperatorProfiler({
    api: { call } as ProfilerParts['api'],
    journal: { state: { candidate: null } } as ProfilerParts['journal'],
    memory: { shortageForTwin: () => undefined },
    reporter: { operatorProfile: async (record) => void told.push(record) },
    profile: async () => MEASURED,
    folder,
    log: pino({ level: 'silent' }),
    ...change,
  });
  ends.push(() => profiler.stop());
  const opened = await writeLightRelease(await makeFolder());
  const worker = { pid: process.pid, provider: MEASURED.provider } as WorkerHandle;
  const serve = () => profiler.serves({ release: heldRelease('light'), worker, folder: opened });
  const ask = (id: string): void => {
    tasks.splice(0, 1, { id, frames: 5, expiresAt: Date.now() + 60_000 });
    profiler.look();
  };
  return { profiler, told, folder, serve, ask, asked: () => asked };
};

describe('the profiler', () => {
  it('answers a request once, however often it is asked for it', async () => {
    const { told, serve, ask, profiler, asked } = await prepare();
    serve();
    ask('one');
    await expect.poll(() => told).toHaveLength(1);
    expect(told[0]).toMatchObject({ request: 'one', refusal: null, profile: { frames: 5, release: 'light@1.0.0' } });
    const before = asked();
    profiler.look();
    await expect.poll(asked).toBeGreaterThan(before);
    expect(told).toHaveLength(1);
  });

  it('leaves the board alone for a while before the next one', async () => {
    const { told, serve, ask } = await prepare();
    serve();
    ask('one');
    await expect.poll(() => told).toHaveLength(1);
    ask('two');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(told).toHaveLength(1);
  });

  it('says that nothing serves', async () => {
    const { told, ask } = await prepare();
    ask('one');
    await expect.poll(() => told).toMatchObject([{ profile: null, refusal: { code: 'nothing-serves' } }]);
  });

  it('has a folder while it measures, and says what went wrong', async () => {
    let had = false;
    const { told, serve, ask, folder } = await prepare({
      profile: async ({ profileFolder }) => {
        had = existsSync(profileFolder);
        throw new Error('no more memory');
      },
    });
    serve();
    ask('one');
    await expect
      .poll(() => told)
      .toMatchObject([
        {
          profile: null,
          refusal: { code: 'profile-failed', message: 'light@1.0.0 could not be profiled: no more memory' },
        },
      ]);
    expect(had).toBe(true);
    expect(existsSync(folder)).toBe(false);
  });

  it('measures what serves when it has heard what is wanted', async () => {
    const { promise: heard, resolve: hear } = Promise.withResolvers<void>();
    const { told, serve, ask, asked } = await prepare({}, heard);
    ask('one');
    await expect.poll(asked).toBe(1);
    serve();
    hear();
    await expect.poll(() => told).toMatchObject([{ request: 'one', refusal: null, profile: { frames: 5 } }]);
  });

  it('begins nothing when the agent stops before it has heard what is wanted', async () => {
    const { promise: heard, resolve: hear } = Promise.withResolvers<void>();
    let begun = 0;
    const profile = async () => {
      begun += 1;
      return MEASURED;
    };
    const { told, serve, ask, asked, profiler } = await prepare({ profile }, heard);
    serve();
    ask('one');
    await expect.poll(asked).toBe(1);
    const stopped = profiler.stop();
    hear();
    await stopped;
    expect([begun, told]).toEqual([0, []]);
  });

  it('breaks off when another release serves, and says so; when the agent stops it says nothing', async () => {
    const waits: ProfilerParts['profile'] = (_, __, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
    const first = await prepare({ profile: waits });
    first.serve();
    first.ask('one');
    await expect.poll(() => existsSync(first.folder)).toBe(true);
    first.profiler.serves(null);
    await expect.poll(() => first.told).toMatchObject([{ profile: null, refusal: { code: 'serving-changed' } }]);

    const second = await prepare({ profile: waits });
    second.serve();
    second.ask('one');
    await expect.poll(() => existsSync(second.folder)).toBe(true);
    await second.profiler.stop();
    expect(second.told).toEqual([]);
    expect(existsSync(second.folder)).toBe(false);
  });
});
