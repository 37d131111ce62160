import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventRecord, metricsRecord, namesOf } from '../testing/records.ts';
import { drain, entries, startSpool } from '../testing/spool-rig.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';

const makeFolder = temporaryFolders();

describe('a spool that is over its bound', () => {
  it('lets the oldest metrics go first and says how many, first of all', async () => {
    const folder = await makeFolder();
    const { spool } = await startSpool(folder, { maxBytes: 5 * 4096 });
    await spool.append([eventRecord('first', 10)]);
    for (let i = 1; i <= 8; i += 1) await spool.append([metricsRecord(i, i * 100)]);
    expect(await entries(folder)).toHaveLength(5);
    const { seqs, records } = await drain(spool);
    expect(records[0]).toEqual({ type: 'gap', at: 100, until: 400, thinned: { metrics: 4 } });
    expect(namesOf(records)).toEqual(['gap', 'first', 5, 6, 7, 8]);
    expect(seqs).toEqual([1, 2]);
  });

  it('lets go of what happened only when no metrics are left, and never of the newest', async () => {
    const { spool } = await startSpool(await makeFolder(), { maxBytes: 2 * 4096 });
    await spool.append([metricsRecord(1, 100)]);
    for (const name of ['one', 'two', 'three', 'four']) await spool.append([eventRecord(name)]);
    const { records } = await drain(spool);
    expect(records[0]).toMatchObject({ thinned: { metrics: 1, event: 2 } });
    expect(namesOf(records)).toEqual(['gap', 'three', 'four']);
    const tiny = await startSpool(await makeFolder(), { maxBytes: 1 });
    await tiny.spool.append([eventRecord('only')]);
    expect(namesOf((await tiny.spool.head())?.records)).toEqual(['only']);
  });

  it('adds to what it has to say of a gap until that is sent, over restarts too', async () => {
    const folder = await makeFolder();
    const options = { maxBytes: 2 * 4096 };
    const one = await startSpool(folder, options);
    for (let i = 1; i <= 4; i += 1) await one.spool.append([metricsRecord(i, i)]);
    const two = await startSpool(folder, options);
    await two.spool.append([metricsRecord(5, 5)]);
    const sent = await two.spool.head();
    expect(sent?.records).toEqual([{ type: 'gap', at: 1, until: 3, thinned: { metrics: 3 } }]);
    await two.spool.append([metricsRecord(6, 6)]);
    const three = await startSpool(folder, options);
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
        const { spool } = await startSpool(await makeFolder(), { maxBytes: blocks * 4096 });
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
    const { spool, files, troubles } = await startSpool(await makeFolder());
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
    const { spool, files } = await startSpool(await makeFolder());
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
    const { spool, files, troubles } = await startSpool(await makeFolder());
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
    const { spool, files } = await startSpool(folder, { maxBytes: 2 * 4096 });
    files.refusesRemoving = 'EIO';
    for (let i = 1; i <= 3; i += 1) await spool.append([eventRecord(`event ${i}`)]);
    const { seqs, records } = await drain(spool);
    expect(namesOf(records)).toEqual(['gap', 'event 2', 'event 3']);
    expect(seqs).toEqual([1, 2]);
    const later = await startSpool(folder);
    expect(await later.spool.head()).toBeUndefined();
    await later.spool.append([eventRecord('next')]);
    expect(namesOf((await drain(later.spool)).records)).toEqual(['next']);
  });

  it('keeps the batch in flight when the acknowledgement could not be noted', async () => {
    const { spool, files } = await startSpool(await makeFolder());
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
    const { spool } = await startSpool(folder);
    for (const name of ['one', 'two', 'three']) await spool.append([eventRecord(name)]);
    return folder;
  };

  it('passes over what was cut at any length, and says so once', async () => {
    const folder = await three();
    const tail = join(folder, (await entries(folder)).at(-1) ?? '');
    const whole = await readFile(tail);
    for (let length = 0; length < whole.length; length += 1) {
      await writeFile(tail, whole.subarray(0, length));
      const { spool, troubles } = await startSpool(folder);
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
    const { spool, troubles } = await startSpool(folder);
    expect(await spool.head()).toBeUndefined();
    expect(troubles).toEqual(['spool-damaged', 'spool-damaged', 'spool-damaged']);
    await spool.append([eventRecord('four')]);
    expect(namesOf((await drain(spool)).records)).toEqual(['four']);
  });

  it('goes on without its position, and without the batch in flight', async () => {
    const folder = await three();
    const { spool } = await startSpool(folder);
    await spool.head();
    await spool.append([eventRecord('four')]);
    await truncate(join(folder, 'in-flight.json'), 20);
    await writeFile(join(folder, 'position.json'), '{}');
    const later = await startSpool(folder);
    expect(later.troubles).toEqual(['spool-damaged']);
    expect(namesOf((await drain(later.spool)).records)).toEqual(['four']);
  });

  it('ignores files that are none of its own, and finishes none that were begun', async () => {
    const folder = await three();
    await writeFile(join(folder, 'notes.txt'), 'hello');
    await writeFile(join(folder, '000000000009-e.json.new'), '[');
    const { spool, troubles } = await startSpool(folder);
    expect(namesOf((await drain(spool)).records)).toEqual(['one', 'two', 'three']);
    expect(troubles).toEqual([]);
    expect(await readdir(folder)).not.toContain('000000000009-e.json.new');
  });
});
