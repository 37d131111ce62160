import type { TelemetryRecord } from '@aviary/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FailingFiles } from '../testing/failing-files.ts';
import { eventRecord, metricsRecord, namesOf } from '../testing/records.ts';
import { drain, entries, startSpool } from '../testing/spool-rig.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { Spool } from './spool.ts';

const makeFolder = temporaryFolders();

describe('the spool', () => {
  it('gives what was said in its order, the same batch until it is acknowledged', async () => {
    const folder = await makeFolder();
    const { spool } = await startSpool(folder);
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
    const before = await startSpool(folder);
    await before.spool.append([eventRecord('one')]);
    const sent = await before.spool.head();
    await before.spool.append([eventRecord('two')]);
    const { spool } = await startSpool(folder);
    await spool.append([eventRecord('three')]);
    expect(await spool.head()).toEqual(sent);
    expect(await drain(spool)).toMatchObject({ seqs: [1, 2] });
    const after = await startSpool(folder);
    expect(await after.spool.head()).toBeUndefined();
    await after.spool.append([eventRecord('four')]);
    expect(await after.spool.head()).toMatchObject({ seq: 3 });
  });

  it('does not put more into a batch than the gateway takes', async () => {
    const { spool } = await startSpool(await makeFolder(), { maxBytes: 2 ** 23 });
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
        let { spool } = await startSpool(folder);
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
            spool = (await startSpool(folder)).spool;
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
    const { spool, troubles } = await startSpool(folder);
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
    const { spool: empty } = await startSpool(await makeFolder());
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
    const again = await startSpool(folder);
    const batch = await again.spool.head();
    expect(batch?.seq).toBe(42);
    expect(namesOf(batch?.records)).toEqual(['batch 1']);
  });
});

describe('a device that joined anew', () => {
  it('keeps what it said in an epoch before, and counts from one', async () => {
    const folder = await makeFolder();
    const { spool } = await startSpool(folder);
    await spool.append([eventRecord('stored')]);
    await drain(spool);
    await spool.append([eventRecord('in flight')]);
    await spool.head();
    await spool.append([eventRecord('waiting')]);
    const later = await startSpool(folder, { epoch: 2 });
    const { seqs, records } = await drain(later.spool);
    expect(seqs).toEqual([1, 2]);
    expect(namesOf(records)).toEqual(['in flight', 'waiting']);
    const again = await startSpool(folder, { epoch: 2 });
    await again.spool.append([eventRecord('next')]);
    expect(await again.spool.head()).toMatchObject({ epoch: 2, seq: 3 });
  });

  it('starts on a full disk, too', async () => {
    const folder = await makeFolder();
    const { spool } = await startSpool(folder);
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
    const { spool } = await startSpool(folder);
    await spool.append([eventRecord('in flight')]);
    await spool.head();
    await spool.append([eventRecord('waiting')]);
    const other = await startSpool(folder, { deviceId: 'd-two' });
    expect(await other.spool.head()).toBeUndefined();
    expect(await entries(folder)).toEqual([]);
  });
});
