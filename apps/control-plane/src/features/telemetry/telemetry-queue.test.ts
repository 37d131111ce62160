import { setImmediate } from 'node:timers/promises';
import type { TelemetryAck } from '@aviary/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { readBatch } from './telemetry-batch.ts';
import { TelemetryQueue } from './telemetry-queue.ts';

const batch = (deviceId: string, seq: number) =>
  readBatch(
    deviceId,
    Buffer.from(
      JSON.stringify({ epoch: 1, seq, records: [{ type: 'event', at: 1, level: 'info', code: 'tick', message: '' }] }),
    ),
  );

/** A database that takes a group when it is told to. */
class SlowWriter {
  readonly groups: { names: string[]; finish: (error?: Error) => void }[] = [];
  private readonly busy = new Set<string>();

  write(batches: readonly ReturnType<typeof batch>[]): Promise<Map<string, TelemetryAck>> {
    for (const { deviceId } of batches) {
      if (this.busy.has(deviceId)) throw new Error(`${deviceId} is written twice at once`);
      this.busy.add(deviceId);
    }
    return new Promise((resolve, reject) => {
      this.groups.push({
        names: batches.map(({ deviceId, seq }) => `${deviceId}/${seq}`),
        finish: (error) => {
          for (const { deviceId } of batches) this.busy.delete(deviceId);
          if (error !== undefined) return reject(error);
          resolve(new Map(batches.map(({ deviceId, epoch, seq }) => [deviceId, { epoch, seq }])));
        },
      });
    });
  }

  async finish(index: number, error?: Error): Promise<void> {
    this.groups[index]?.finish(error);
    await setImmediate();
    await setImmediate();
  }
}

const PATIENCE_MS = 60_000;

describe('TelemetryQueue', () => {
  const writer = () => new SlowWriter();
  const queues: TelemetryQueue[] = [];
  const queueTo = (slow: SlowWriter, patience = PATIENCE_MS): TelemetryQueue => {
    const queue = new TelemetryQueue(slow, patience);
    queues.push(queue);
    return queue;
  };
  const settled = (promise: Promise<unknown>) =>
    promise.then(
      () => 'stored',
      (error: Error) => error.message,
    );
  afterEach(() => queues.splice(0));

  it('writes what came together at once, and the rest together when it can', async () => {
    const slow = writer();
    const queue = queueTo(slow);
    const answers = ['a', 'b'].map((device) => queue.add(batch(device, 1)));
    await setImmediate();
    answers.push(queue.add(batch('c', 1)));
    await setImmediate();
    for (const device of ['d', 'e', 'f']) answers.push(queue.add(batch(device, 1)));
    await setImmediate();
    expect(slow.groups.map(({ names }) => names)).toEqual([['a/1', 'b/1'], ['c/1']]);
    await slow.finish(0);
    expect(slow.groups.map(({ names }) => names)).toEqual([['a/1', 'b/1'], ['c/1'], ['d/1', 'e/1', 'f/1']]);
    await slow.finish(1);
    await slow.finish(2);
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 6 }, () => ({ epoch: 1, seq: 1 })));
  });

  it('keeps the order of each device, and lets no device hold up another', async () => {
    const slow = writer();
    const queue = queueTo(slow);
    const answers = Array.from({ length: 50 }, (_, index) => queue.add(batch('loud', index + 1)));
    answers.push(queue.add(batch('quiet', 1)));
    await setImmediate();
    expect(slow.groups[0]?.names).toEqual(['loud/1', 'quiet/1']);
    for (let index = 0; index < 50; index += 1) await slow.finish(index);
    await Promise.all(answers);
    expect(slow.groups.flatMap(({ names }) => names).filter((name) => name.startsWith('loud'))).toEqual(
      Array.from({ length: 50 }, (_, index) => `loud/${index + 1}`),
    );
  });

  it('makes groups of a bounded size, first come first served', async () => {
    const slow = writer();
    const queue = queueTo(slow);
    const answers = Array.from({ length: 300 }, (_, index) => queue.add(batch(`d-${index}`, 1)));
    await setImmediate();
    for (let index = 0; index < 3; index += 1) await slow.finish(index);
    await Promise.all(answers);
    expect(slow.groups.map(({ names }) => names.length)).toEqual([128, 128, 44]);
    expect(slow.groups.flatMap(({ names }) => names)).toEqual(Array.from({ length: 300 }, (_, i) => `d-${i}/1`));
  });

  it('tells a failure to those whom it met, and goes on', async () => {
    const slow = writer();
    const queue = queueTo(slow);
    const first = settled(queue.add(batch('a', 1)));
    await setImmediate();
    const second = settled(queue.add(batch('b', 1)));
    await setImmediate();
    await slow.finish(0, new Error('the database went away'));
    const again = settled(queue.add(batch('a', 1)));
    await setImmediate();
    await slow.finish(1);
    await slow.finish(2);
    expect(await Promise.all([first, second, again])).toEqual(['the database went away', 'stored', 'stored']);
  });

  it('forgets what has waited too long: its device sends it again, and a long stall must not fill the memory', async () => {
    const slow = writer();
    const queue = queueTo(slow, 5);
    const underWay = [settled(queue.add(batch('a', 1)))];
    await setImmediate();
    underWay.push(settled(queue.add(batch('b', 1))));
    await setImmediate();
    const waiting = Array.from({ length: 40 }, (_, index) => settled(queue.add(batch(`c-${index}`, 1))));
    const again = Array.from({ length: 40 }, (_, index) => settled(queue.add(batch(`c-${index}`, 1))));
    for (const answer of await Promise.all([...underWay, ...waiting, ...again])) {
      expect(answer).toContain('the database did not answer in time');
    }
    await slow.finish(0);
    await slow.finish(1);
    const last = queue.add(batch('d', 1));
    await setImmediate();
    await slow.finish(2);
    await last;
    expect(slow.groups.map(({ names }) => names)).toEqual([['a/1'], ['b/1'], ['d/1']]);
  });
});
