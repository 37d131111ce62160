import type { TelemetryBatch } from '@aviary/protocol';
import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FailingFiles } from '../testing/failing-files.ts';
import { eventRecord, namesOf } from '../testing/records.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { Spool } from './spool.ts';
import { Uplink } from './uplink.ts';

const makeFolder = temporaryFolders();
const log = pino({ level: 'silent' });
const uplinks: Uplink[] = [];
afterEach(async () => {
  for (const uplink of uplinks.splice(0)) await uplink.stop();
  vi.useRealTimers();
});

const start = async (folder?: string) => {
  const files = new FailingFiles(folder ?? (await makeFolder()));
  const spool = new Spool(files, { deviceId: 'd-one', epoch: 1, maxBytes: 2 ** 20, onTrouble: () => undefined });
  await spool.open();
  const uplink = new Uplink(spool, log);
  uplinks.push(uplink);
  const sent: TelemetryBatch[] = [];
  const connection = { isOpen: true };
  const send = (batch: TelemetryBatch): boolean => {
    if (connection.isOpen) sent.push(batch);
    return connection.isOpen;
  };
  const numbers = () => sent.map(({ seq }) => seq);
  return { files, spool, uplink, sent, send, connection, numbers };
};

/** Until the disk has done what was asked of it. */
const settled = async (spool: Spool): Promise<void> => {
  await spool.append([eventRecord('only to wait')]);
  await spool.head();
};

describe('the uplink', () => {
  it('keeps what is reported while there is no connection, and sends it with the first', async () => {
    const { uplink, send, sent } = await start();
    await uplink.report([eventRecord('one')]);
    await uplink.report([eventRecord('two')]);
    expect(sent).toEqual([]);
    uplink.connected(send);
    await expect.poll(() => namesOf(sent[0]?.records)).toEqual(['one', 'two']);
  });

  it('has one batch in flight: the next goes with the acknowledgement', async () => {
    const { uplink, send, numbers, sent, spool } = await start();
    uplink.connected(send);
    for (const name of ['one', 'two', 'three']) await uplink.report([eventRecord(name)]);
    await expect.poll(numbers).toEqual([1]);
    await settled(spool);
    expect(numbers()).toEqual([1]);
    await uplink.acknowledged({ epoch: 1, seq: 1 });
    await expect.poll(numbers).toEqual([1, 2]);
    expect(namesOf(sent[1]?.records)).toContain('three');
  });

  it('sends again over the next connection what was not acknowledged over the last', async () => {
    const { uplink, send, sent, numbers } = await start();
    await uplink.report([eventRecord('one')]);
    uplink.connected(send);
    await expect.poll(numbers).toEqual([1]);
    uplink.connected(send);
    await expect.poll(numbers).toEqual([1, 1]);
    expect(sent[1]).toEqual(sent[0]);
  });

  it('passes over acknowledgements that fit nothing', async () => {
    const { uplink, send, numbers, spool } = await start();
    await uplink.acknowledged({ epoch: 1, seq: 9 });
    await uplink.report([eventRecord('one')]);
    uplink.connected(send);
    await expect.poll(numbers).toEqual([1]);
    await uplink.acknowledged({ epoch: 1, seq: 0 });
    await uplink.acknowledged({ epoch: 7, seq: 1 });
    await settled(spool);
    expect(numbers()).toEqual([1]);
    expect(await spool.head()).toMatchObject({ seq: 1 });
  });

  it('sends again after a while when no acknowledgement comes, also what found no connection', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { uplink, send, connection, numbers, spool } = await start();
    connection.isOpen = false;
    uplink.connected(send);
    await uplink.report([eventRecord('one')]);
    await settled(spool);
    expect(numbers()).toEqual([]);
    connection.isOpen = true;
    vi.advanceTimersByTime(10_000);
    await settled(spool);
    expect(numbers()).toEqual([1]);
    vi.advanceTimersByTime(9_999);
    await settled(spool);
    expect(numbers()).toEqual([1]);
    vi.advanceTimersByTime(1);
    await settled(spool);
    expect(numbers()).toEqual([1, 1]);
  });

  it('asks again when the disk could not note what is sent', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { uplink, send, files, numbers, spool } = await start();
    await uplink.report([eventRecord('one')]);
    files.refusesWriting = 'EROFS';
    uplink.connected(send);
    await spool.head();
    files.refusesWriting = undefined;
    expect(numbers()).toEqual([]);
    vi.advanceTimersByTime(10_000);
    await settled(spool);
    expect(numbers()).toEqual([1]);
  });

  it('survives an acknowledgement that cannot be noted, and one more for the same batch', async () => {
    const { uplink, send, files, numbers, spool } = await start();
    await uplink.report([eventRecord('one')]);
    uplink.connected(send);
    await expect.poll(numbers).toEqual([1]);
    files.refusesWriting = 'EROFS';
    await uplink.acknowledged({ epoch: 1, seq: 1 });
    files.refusesWriting = undefined;
    await uplink.acknowledged({ epoch: 1, seq: 1 });
    expect(await spool.head()).toBeUndefined();
  });

  it('lets no failure of the disk out as a rejection that nobody hears', async () => {
    const { uplink, send, files, numbers, spool } = await start();
    files.refusesRemoving = 'EIO';
    uplink.connected(send);
    await uplink.report([eventRecord('one')]);
    await settled(spool);
    expect(numbers()).toEqual([1]);
    // A rejection that nobody handles fails the run.
    const broken = vi.spyOn(spool, 'head').mockRejectedValue(new Error('the disk is gone'));
    uplink.connected(send);
    await new Promise((resolve) => setImmediate(resolve));
    expect(broken).toHaveBeenCalled();
  });

  it('sends nothing after its end, and leaves no timer behind', async () => {
    const { uplink, send, numbers, spool } = await start();
    await uplink.report([eventRecord('one')]);
    uplink.connected(send);
    await expect.poll(numbers).toEqual([1]);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    uplink.connected(send);
    await settled(spool);
    expect(vi.getTimerCount()).toBe(1);
    await uplink.stop();
    expect(vi.getTimerCount()).toBe(0);
    await uplink.report([eventRecord('two')]);
    await settled(spool);
    expect(numbers()).toEqual([1, 1]);
  });
});
