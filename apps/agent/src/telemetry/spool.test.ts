import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TelemetryRecord } from '@aviary/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FailingFiles } from '../testing/failing-files.ts';
import { eventRecord, metricsRecord, namesOf } from '../testing/records.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { Spool, type SpoolOptions } from './spool.ts';

const makeFolder = temporaryFolders();

/** An agent's run with the spool in `folder`: what it said of troubles, and the spool. */
const start = async (folder: string, change: Partial<SpoolOptions> = {}) => {
  const troubles: string[] = [];
  const files = new FailingFiles(folder);
  const onTrouble = (code: string): void => void troubles.push(code);
  const spool = new Spool(files, { deviceId: 'd-one', epoch: 1, maxBytes: 2 ** 20, onTrouble, ...change });
  await spool.open();
  return { spool, files, troubles };
};

/** Everything that is there, acknowledged batch by batch. */
const drain = async (spool: Spool) => {
  const batches = [];
  for (let batch = await spool.head(); batch !== undefined; batch = await spool.head()) {
    batches.push(batch);
    expect(await spool.acknowledge(batch)).toBe(true);
  }
  return { seqs: batches.map(({ seq }) => seq), records: batches.flatMap(({ records }) => records) };
};

const entries = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => /^\d/.test(name)).sort();

describe('the spool', () => {
  it('gives what was said in its order, the same batch until it is acknowledged', async () => {
    const folder = await makeFolder();
    const { spool } = await start(folder);
    expect(await spool.head()).toBeUndefined();
    await spool.append([eventRecord('one'), eventRecord('two')]);
    await spool.append([metricsRecord(3)]);
    const first = await spool.head();
    expect(first).toMatchObject({ epoch: 1, seq: 1 });
    expect(namesOf(first?.records)).toEqual(['one', 'two', 3]);
    await spool.append([eventRecord('four')]);
    expect(await spool.head()).toEqual(first);
    expect(spool.isWaiting).toBe(true);
    expect(await spool.acknowledge({ epoch: 1, seq: 1 })).toBe(true);
    const second = await spool.head();
    expect(second?.seq).toBe(2);
    expect(namesOf(second?.records)).toEqual(['four']);
    expect(spool.isWaiting).toBe(false);
    expect(await entries(folder)).toEqual([]);
  });

  it('goes on over a restart: with the batch that was in flight, then with the next number', async () => {
    const folder = await makeFolder();
    const before = await start(folder);
    await before.spool.append([eventRecord('one')]);
    const sent = await before.spool.head();
    await before.spool.append([eventRecord('two')]);
    const { spool } = await start(folder);
    await spool.append([eventRecord('three')]);
    expect(await spool.head()).toEqual(sent);
    expect(await drain(spool)).toMatchObject({ seqs: [1, 2] });
    const after = await start(folder);
    expect(await after.spool.head()).toBeUndefined();
    await after.spool.append([eventRecord('four')]);
    expect(await after.spool.head()).toMatchObject({ seq: 3 });
  });

  it('does not put more into a batch than the gateway takes', async () => {
    const { spool } = await start(await makeFolder(), { maxBytes: 2 ** 23 });
    for (let i = 0; i < 300; i += 1) await spool.append([metricsRecord(i)]);
    const first = await spool.head();
    expect(first?.records).toHaveLength(256);
    const { seqs, records } = await drain(spool);
    expect(seqs).toEqual([1, 2]);
    expect(namesOf(records)).toEqual(Array.from({ length: 300 }, (_, i) => i));
    const long = 'x'.repeat(1_000);
    for (let i = 0; i < 3; i += 1) await spool.append(Array.from({ length: 80 }, () => eventRecord(long)));
    const batch = await spool.head();
    expect(batch?.records).toHaveLength(80);
    expect(Buffer.byteLength(JSON.stringify(batch))).toBeLessThan(128 * 1024);
  });

  it('loses nothing and says nothing twice, whatever is said, sent, acknowledged and restarted in between', async () => {
    const action = fc.constantFrom('say', 'send', 'acknowledge', 'restart');
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
        const folder = await makeFolder();
        let { spool } = await start(folder);
        const stored = new Map<number, readonly TelemetryRecord[]>();
        let said = 0;
        for (const what of actions) {
          if (what === 'say') {
            said += 1;
            await spool.append([said % 2 === 0 ? eventRecord(String(said)) : metricsRecord(said)]);
          } else if (what === 'send') {
            const batch = await spool.head();
            // A number never means two things.
            if (batch !== undefined) expect(stored.get(batch.seq) ?? batch.records).toEqual(batch.records);
            if (batch !== undefined) stored.set(batch.seq, batch.records);
          } else if (what === 'acknowledge') {
            if (stored.size > 0) await spool.acknowledge({ epoch: 1, seq: stored.size });
          } else {
            spool = (await start(folder)).spool;
          }
        }
        const { seqs, records } = await drain(spool);
        seqs.forEach((seq, i) => {
          if (i === seqs.length - 1 || stored.has(seq)) return;
          expect(seq).toBeGreaterThan(stored.size);
        });
        const all = [...stored.values()].flat().length + records.length;
        const inFlight = seqs[0] === undefined ? 0 : (stored.get(seqs[0])?.length ?? 0);
        expect(all - inFlight).toBe(said);
      }),
      { numRuns: 40 },
    );
  });
});

describe('an acknowledgement', () => {
  const inFlight = async (seq: number) => {
    const folder = await makeFolder();
    const { spool, troubles } = await start(folder);
    for (let i = 1; i <= seq; i += 1) {
      await spool.append([eventRecord(`batch ${i}`)]);
      const batch = await spool.head();
      if (i < seq && batch !== undefined) await spool.acknowledge(batch);
    }
    return { folder, spool, troubles };
  };

  it('of nothing, of another epoch, or of the batch before, is passed over', async () => {
    const { spool } = await inFlight(3);
    expect(await spool.acknowledge({ epoch: 2, seq: 3 })).toBe(false);
    expect(await spool.acknowledge({ epoch: 1, seq: 2 })).toBe(false);
    expect(await spool.head()).toMatchObject({ seq: 3 });
    const { spool: empty } = await start(await makeFolder());
    expect(await empty.acknowledge({ epoch: 1, seq: 7 })).toBe(false);
  });

  it('that is too low is asked for once more, and believed the second time', async () => {
    const { spool, troubles } = await inFlight(5);
    expect(await spool.acknowledge({ epoch: 1, seq: 2 })).toBe(true);
    expect(await spool.head()).toMatchObject({ seq: 5 });
    expect(troubles).toEqual([]);
    expect(await spool.acknowledge({ epoch: 1, seq: 2 })).toBe(true);
    const batch = await spool.head();
    expect(batch?.seq).toBe(3);
    expect(namesOf(batch?.records)).toEqual(['batch 5']);
    expect(troubles).toEqual(['telemetry-renumbered']);
  });

  it('that is too low once and right then is no trouble', async () => {
    const { spool, troubles } = await inFlight(5);
    await spool.acknowledge({ epoch: 1, seq: 2 });
    expect(await spool.acknowledge({ epoch: 1, seq: 5 })).toBe(true);
    expect(troubles).toEqual([]);
    await spool.append([eventRecord('next')]);
    expect(await spool.head()).toMatchObject({ seq: 6 });
  });

  it('that is ahead of this device lets it go on from there, also over a restart', async () => {
    const { folder, spool, troubles } = await inFlight(1);
    expect(await spool.acknowledge({ epoch: 1, seq: 41 })).toBe(true);
    expect(await spool.head()).toMatchObject({ seq: 42 });
    expect(troubles).toEqual(['telemetry-renumbered']);
    const again = await start(folder);
    const batch = await again.spool.head();
    expect(batch?.seq).toBe(42);
    expect(namesOf(batch?.records)).toEqual(['batch 1']);
  });
});

describe('a device that joined anew', () => {
  it('keeps what it said in an epoch before, and counts from one', async () => {
    const folder = await makeFolder();
    const { spool } = await start(folder);
    await spool.append([eventRecord('stored')]);
    await drain(spool);
    await spool.append([eventRecord('in flight')]);
    await spool.head();
    await spool.append([eventRecord('waiting')]);
    const later = await start(folder, { epoch: 2 });
    const { seqs, records } = await drain(later.spool);
    expect(seqs).toEqual([1, 2]);
    expect(namesOf(records)).toEqual(['in flight', 'waiting']);
    const again = await start(folder, { epoch: 2 });
    await again.spool.append([eventRecord('next')]);
    expect(await again.spool.head()).toMatchObject({ epoch: 2, seq: 3 });
  });

  it('starts on a full disk, too', async () => {
    const folder = await makeFolder();
    const { spool } = await start(folder);
    await spool.append([eventRecord('in flight')]);
    await spool.head();
    const files = new FailingFiles(folder);
    files.refusesWriting = 'ENOSPC';
    const later = new Spool(files, { deviceId: 'd-one', epoch: 2, maxBytes: 2 ** 20, onTrouble: () => undefined });
    await later.open();
    expect(await later.head()).toMatchObject({ epoch: 2, seq: 1 });
  });

  it('under another name says nothing of what the one before said', async () => {
    const folder = await makeFolder();
    const { spool } = await start(folder);
    await spool.append([eventRecord('in flight')]);
    await spool.head();
    await spool.append([eventRecord('waiting')]);
    const other = await start(folder, { deviceId: 'd-two' });
    expect(await other.spool.head()).toBeUndefined();
    expect(await entries(folder)).toEqual([]);
  });
});

describe('a spool that is over its bound', () => {
  it('lets the oldest metrics go first and says how many, first of all', async () => {
    const folder = await makeFolder();
    const { spool } = await start(folder, { maxBytes: 5 * 4096 });
    await spool.append([eventRecord('first', 10)]);
    for (let i = 1; i <= 8; i += 1) await spool.append([metricsRecord(i, i * 100)]);
    expect(await entries(folder)).toHaveLength(5);
    const { seqs, records } = await drain(spool);
    expect(records[0]).toEqual({ type: 'gap', at: 100, until: 400, thinned: { metrics: 4 } });
    expect(namesOf(records)).toEqual(['gap', 'first', 5, 6, 7, 8]);
    expect(seqs).toEqual([1, 2]);
  });

  it('lets go of what happened only when no metrics are left, and never of the newest', async () => {
    const { spool } = await start(await makeFolder(), { maxBytes: 2 * 4096 });
    await spool.append([metricsRecord(1, 100)]);
    for (const name of ['one', 'two', 'three', 'four']) await spool.append([eventRecord(name)]);
    const { records } = await drain(spool);
    expect(records[0]).toMatchObject({ thinned: { metrics: 1, event: 2 } });
    expect(namesOf(records)).toEqual(['gap', 'three', 'four']);
    const tiny = await start(await makeFolder(), { maxBytes: 1 });
    await tiny.spool.append([eventRecord('only')]);
    expect(namesOf((await tiny.spool.head())?.records)).toEqual(['only']);
  });

  it('adds to what it has to say of a gap until that is sent, over restarts too', async () => {
    const folder = await makeFolder();
    const options = { maxBytes: 2 * 4096 };
    const one = await start(folder, options);
    for (let i = 1; i <= 4; i += 1) await one.spool.append([metricsRecord(i, i)]);
    const two = await start(folder, options);
    await two.spool.append([metricsRecord(5, 5)]);
    const sent = await two.spool.head();
    expect(sent?.records).toEqual([{ type: 'gap', at: 1, until: 3, thinned: { metrics: 3 } }]);
    await two.spool.append([metricsRecord(6, 6)]);
    const three = await start(folder, options);
    const { records } = await drain(three.spool);
    expect(records.map((record) => (record.type === 'gap' ? record.thinned : record.type))).toEqual([
      { metrics: 3 },
      { metrics: 1 },
      'metrics',
      'metrics',
    ]);
  });

  it('counts exactly what is missing, whatever is said under whatever bound', async () => {
    const sayings = fc.array(fc.constantFrom('metrics', 'event', 'send'), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(sayings, fc.integer({ min: 1, max: 6 }), async (actions, blocks) => {
        const { spool } = await start(await makeFolder(), { maxBytes: blocks * 4096 });
        let said = 0;
        for (const what of actions) {
          if (what === 'send') {
            await spool.head();
            continue;
          }
          said += 1;
          await spool.append([what === 'metrics' ? metricsRecord(said) : eventRecord(String(said))]);
        }
        const { records } = await drain(spool);
        let missing = 0;
        for (const record of records) {
          if (record.type === 'gap')
            missing += Object.values(record.thinned).reduce((sum, count) => sum + count, 0) - 1;
        }
        expect(records.length + missing).toBe(said);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a disk that refuses', () => {
  it('is said once, and what was said meanwhile is sent from memory in its order', async () => {
    const { spool, files, troubles } = await start(await makeFolder());
    await spool.append([eventRecord('before')]);
    files.refusesWriting = 'ENOSPC';
    files.hasReserve = true;
    await spool.append([eventRecord('one')]);
    await spool.append([eventRecord('two')]);
    expect(troubles).toEqual(['spool-not-written']);
    files.refusesWriting = undefined;
    await spool.append([eventRecord('after')]);
    files.refusesWriting = 'ENOSPC';
    await spool.append([eventRecord('again')]);
    expect(troubles).toEqual(['spool-not-written', 'spool-not-written']);
    expect(namesOf((await drain(spool)).records)).toEqual(['before', 'one', 'two', 'after', 'again']);
  });

  it('bounds what is kept in memory, and says what it let go', async () => {
    const { spool, files } = await start(await makeFolder());
    files.refusesWriting = 'EROFS';
    const long = 'x'.repeat(1_000);
    const said = 1_100;
    for (let i = 0; i < said; i += 1) await spool.append([eventRecord(long, i)]);
    files.refusesWriting = undefined;
    const { records } = await drain(spool);
    const [gap] = records;
    expect(gap?.type).toBe('gap');
    const missing = gap?.type === 'gap' ? (gap.thinned.event ?? 0) : 0;
    expect(missing).toBeGreaterThan(0);
    expect(records.length - 1 + missing).toBe(said);
    expect(Buffer.byteLength(JSON.stringify(records))).toBeLessThan(2 ** 20 + 4096);
  });

  it('sends nothing under a number that it could not note, and does when it can', async () => {
    const { spool, files, troubles } = await start(await makeFolder());
    await spool.append([eventRecord('one')]);
    files.refusesWriting = 'EROFS';
    expect(await spool.head()).toBeUndefined();
    expect(await spool.head()).toBeUndefined();
    expect(spool.isWaiting).toBe(true);
    expect(troubles).toEqual(['spool-not-written']);
    files.refusesWriting = undefined;
    expect(namesOf((await spool.head())?.records)).toEqual(['one']);
  });

  it('that does not let go of files stops nothing, and nothing is sent twice', async () => {
    const folder = await makeFolder();
    const { spool, files } = await start(folder, { maxBytes: 2 * 4096 });
    files.refusesRemoving = 'EIO';
    for (let i = 1; i <= 3; i += 1) await spool.append([eventRecord(`event ${i}`)]);
    const { seqs, records } = await drain(spool);
    expect(namesOf(records)).toEqual(['gap', 'event 2', 'event 3']);
    expect(seqs).toEqual([1, 2]);
    const later = await start(folder);
    expect(await later.spool.head()).toBeUndefined();
    await later.spool.append([eventRecord('next')]);
    expect(namesOf((await drain(later.spool)).records)).toEqual(['next']);
  });

  it('keeps the batch in flight when the acknowledgement could not be noted', async () => {
    const { spool, files } = await start(await makeFolder());
    await spool.append([eventRecord('one')]);
    const batch = await spool.head();
    files.refusesWriting = 'EROFS';
    await expect(spool.acknowledge({ epoch: 1, seq: 1 })).rejects.toMatchObject({ code: 'EROFS' });
    expect(await spool.head()).toEqual(batch);
    files.refusesWriting = undefined;
    expect(await spool.acknowledge({ epoch: 1, seq: 1 })).toBe(true);
    expect(await spool.head()).toBeUndefined();
  });
});

describe('a damaged spool', () => {
  const three = async () => {
    const folder = await makeFolder();
    const { spool } = await start(folder);
    for (const name of ['one', 'two', 'three']) await spool.append([eventRecord(name)]);
    return folder;
  };

  it('passes over what was cut at any length, and says so once', async () => {
    const folder = await three();
    const tail = join(folder, (await entries(folder)).at(-1) ?? '');
    const whole = await readFile(tail);
    for (let length = 0; length < whole.length; length += 1) {
      await writeFile(tail, whole.subarray(0, length));
      const { spool, troubles } = await start(folder);
      const batch = await spool.head();
      expect(namesOf(batch?.records), `cut after ${length} bytes`).toEqual(['one', 'two']);
      expect(troubles).toEqual(['spool-damaged']);
      // As it was, for the next round.
      for (const [i, name] of ['one', 'two'].entries()) {
        await writeFile(join(folder, `00000000000${i + 1}-e.json`), JSON.stringify([eventRecord(name)]));
      }
      await rm(join(folder, 'in-flight.json'));
    }
  });

  it('goes on when nothing of what waits can be read', async () => {
    const folder = await three();
    for (const name of await entries(folder)) await truncate(join(folder, name), 3);
    const { spool, troubles } = await start(folder);
    expect(await spool.head()).toBeUndefined();
    expect(troubles).toEqual(['spool-damaged', 'spool-damaged', 'spool-damaged']);
    await spool.append([eventRecord('four')]);
    expect(namesOf((await drain(spool)).records)).toEqual(['four']);
  });

  it('goes on without its position, and without the batch in flight', async () => {
    const folder = await three();
    const { spool } = await start(folder);
    await spool.head();
    await spool.append([eventRecord('four')]);
    await truncate(join(folder, 'in-flight.json'), 20);
    await writeFile(join(folder, 'position.json'), '{}');
    const later = await start(folder);
    expect(later.troubles).toEqual(['spool-damaged']);
    expect(namesOf((await drain(later.spool)).records)).toEqual(['four']);
  });

  it('ignores files that are none of its own, and finishes none that were begun', async () => {
    const folder = await three();
    await writeFile(join(folder, 'notes.txt'), 'hello');
    await writeFile(join(folder, '000000000009-e.json.new'), '[');
    const { spool, troubles } = await start(folder);
    expect(namesOf((await drain(spool)).records)).toEqual(['one', 'two', 'three']);
    expect(troubles).toEqual([]);
    expect(await readdir(folder)).not.toContain('000000000009-e.json.new');
  });
});
