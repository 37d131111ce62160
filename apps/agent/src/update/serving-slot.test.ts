import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Serving } from '../inference/serving.ts';
import {
  captureFromSource,
  TemporaryFolders,
  workerFromSource,
  writeLightRelease,
} from '../inference/testing/light-release.ts';
import { startWorker } from '../inference/worker-handle.ts';
import type { HeldRelease } from '../state/journal.ts';
import { heldRelease } from '../testing/releases.ts';
import { type LoadedRelease, ServingSlot } from './serving-slot.ts';

const folders = new TemporaryFolders();
const a = heldRelease('a');
const b = heldRelease('b');
let opened = '';
const slots: ServingSlot[] = [];

beforeAll(async () => {
  opened = await writeLightRelease(folders.make());
});
afterEach(async () => {
  for (const slot of slots.splice(0)) await slot.stop();
});
afterAll(() => folders.remove());

const nameOf = (release: HeldRelease | null): string => release?.release.slice(0, 1) ?? 'none';

/** A slot with real workers, what it told, and a listener that can be held up. */
const start = () => {
  const told: string[] = [];
  const lost: string[] = [];
  const listener = { beforeSwitching: async (_: LoadedRelease | null): Promise<void> => undefined };
  const serving = new Serving({ capture: { source: { kind: 'directory', path: '/' }, fps: 1, ...captureFromSource } });
  const slot = new ServingSlot(
    serving,
    {
      onSwitching: async (to) => {
        told.push(`switching ${nameOf(to?.release ?? null)}`);
        await listener.beforeSwitching(to);
      },
      onServing: async (release) => void told.push(`serving ${nameOf(release)}`),
      onLost: (release) => void lost.push(nameOf(release)),
    },
    (given) => startWorker({ ...given, ...workerFromSource }),
    pino({ level: 'silent' }),
  );
  slots.push(slot);
  return { slot, serving, told, lost, listener };
};

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const kill = async ({ worker }: LoadedRelease): Promise<void> => {
  process.kill(worker.pid, 'SIGKILL');
  await worker.exited;
};

describe('the serving slot', () => {
  it('loads beside what serves, exchanges them, and ends the one before', async () => {
    const { slot, serving, told } = start();
    const first = await slot.load(a, opened, []);
    expect(slot.serves).toBeNull();
    await slot.promote();
    expect(slot.serves).toEqual(a);
    const second = await slot.load(b, opened, []);
    expect(slot.inUse).toEqual([a.digest, b.digest]);
    expect(slot.admitted).toBeNull();
    slot.admit(b.digest);
    expect(slot.admitted).toBe(b.digest);
    await slot.promote();
    expect(slot.serves).toEqual(b);
    expect(serving.worker).toBe(second.worker);
    expect(isRunning(first.worker.pid)).toBe(false);
    await slot.clear();
    expect(slot.serves).toBeNull();
    expect(isRunning(second.worker.pid)).toBe(false);
    expect(told).toEqual(['switching a', 'serving a', 'switching b', 'serving b', 'switching none', 'serving none']);
  });

  it('keeps one ready at most', async () => {
    const { slot } = start();
    const first = await slot.load(a, opened, []);
    slot.admit(a.digest);
    await slot.load(b, opened, []);
    expect(isRunning(first.worker.pid)).toBe(false);
    expect(slot.admitted).toBeNull();
    await slot.discard();
    expect(slot.inUse).toEqual([]);
  });

  it('tells of a worker that ended while it served', async () => {
    const { slot, told, lost } = start();
    const loaded = await slot.load(a, opened, []);
    await slot.promote();
    await kill(loaded);
    await expect.poll(() => told.at(-1)).toBe('serving none');
    expect(slot.serves).toBeNull();
    expect(lost).toEqual(['a']);
    expect(slot.lastLoss).toContain('SIGKILL');
  });

  it('does not let a worker serve that ended at the very moment of the switch', async () => {
    const { slot, told, listener, serving, lost } = start();
    await slot.load(a, opened, []);
    await slot.promote();
    const second = await slot.load(b, opened, []);
    slot.admit(b.digest);
    listener.beforeSwitching = async (to) => (to === second ? kill(second) : undefined);
    await expect(slot.promote()).rejects.toThrow(/worker of b@1.0.0 ended before it could serve: .*SIGKILL/);
    expect(slot.serves).toEqual(a);
    expect(serving.worker).not.toBe(second.worker);
    expect(slot.admitted).toBeNull();
    // What is counted from now on is of the one that goes on serving.
    expect(told.at(-1)).toBe('switching a');
    expect(lost).toEqual([]);
  });

  it('tells last what is so when the one before ends during the switch', async () => {
    const { slot, told, listener, lost } = start();
    const first = await slot.load(a, opened, []);
    await slot.promote();
    const second = await slot.load(b, opened, []);
    listener.beforeSwitching = async (to) => (to === second ? kill(first) : undefined);
    await slot.promote();
    await slot.discard();
    await new Promise((resolve) => setImmediate(resolve));
    expect(slot.serves).toEqual(b);
    expect(lost).toEqual(['a']);
    expect(told.slice(2)).toEqual(['switching b', 'serving b']);
  });

  it('survives a listener that fails', async () => {
    const { slot, listener } = start();
    const loaded = await slot.load(a, opened, []);
    await slot.promote();
    listener.beforeSwitching = async () => {
      throw new Error('the disk is gone');
    };
    await kill(loaded);
    await new Promise((resolve) => setImmediate(resolve));
    expect(slot.serves).toBeNull();
  });

  it('leaves no worker behind that was being loaded when it ended', async () => {
    const { slot } = start();
    const loading = slot.load(a, opened, []);
    await slot.stop();
    await expect(loading).rejects.toThrow('the agent stops');
    expect(slot.inUse).toEqual([]);
  });

  it('ends without a word', async () => {
    const { slot, told, lost } = start();
    const serves = await slot.load(a, opened, []);
    await slot.promote();
    const ready = await slot.load(b, opened, []);
    told.length = 0;
    await slot.stop();
    expect([serves, ready].map(({ worker }) => isRunning(worker.pid))).toEqual([false, false]);
    expect({ told, lost }).toEqual({ told: [], lost: [] });
  });
});
