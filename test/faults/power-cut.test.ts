import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { comeBack, comeBackLight } from './come-back.ts';
import { fateArbitrary, runDrawnSequences } from './cut-sequence.ts';
import { CONSENTED, INSTALL, SHADOWED, STAGE, TAKE_BACK } from './device-story.ts';
import type { DiskHistory } from './disk-history.ts';
import { cutsAtDecision, cutsOf, playOnce } from './power-cuts.ts';
import { ReachedPlanes } from './reached-planes.ts';
import { PLAYED_PROGRAMS } from './running-device.ts';
import { StateFolders } from './state-folders.ts';
import { faultsOf, journalOf, type Seen } from './told-and-kept.ts';

const folders = new StateFolders();
const planes = new ReachedPlanes();
afterEach(async () => {
  await planes.stop();
  await folders.remove();
});

/** Words of a history without what differs from one device to the next. */
const general = (words: string): string =>
  words
    .replace(/set-[0-9a-f]+/g, 'SET')
    .replace(/[0-9a-f]{64}/g, 'SEALED')
    .replace(/\d{12}-[em]/g, 'ENTRY');

describe.each([INSTALL, CONSENTED, SHADOWED, STAGE, TAKE_BACK])('the power goes during $name', (story) => {
  let history: DiskHistory<Seen>;
  const historyFolders = new StateFolders();
  beforeAll(async () => {
    history = await playOnce(story, await planes.pki, await historyFolders.make(), PLAYED_PROGRAMS);
  });
  afterAll(() => historyFolders.remove());

  it('and nothing waits to be synced that counts', () => {
    expect(history.unsynced().filter((words) => !words.startsWith('remove '))).toEqual([]);
    const synced = new Set(history.entries.flatMap(({ kind, words }) => (kind === 'sync' ? general(words) : [])));
    const always = [
      'sync .',
      'sync journal.json.new',
      'sync spool',
      'sync spool/ENTRY.json.new',
      'sync spool/in-flight.json.new',
      'sync spool/position.json.new',
      'sync spool/reserve.new',
      'sync trust',
      'sync trust/SET',
      'sync trust/SET/root.json',
      'sync trust/SET/snapshot.json',
      'sync trust/SET/targets.json',
      'sync trust/SET/timestamp.json',
    ];
    const ofInstall = story !== TAKE_BACK ? ['sync releases', 'sync releases/SEALED.part'] : [];
    expect([...synced].sort()).toEqual([...always, ...ofInstall].sort());
  });

  it('at any place, and the disk is whole and knows all that was seen', () => {
    for (const { words, image, seen } of cutsOf(history)) expect(faultsOf(image, seen), words).toEqual([]);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: history.length }), fateArbitrary, (place, fate) => {
        expect(faultsOf(history.image(place, fate), history.marksBefore(place))).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('and the device serves what is proven, and then comes to the end of it', async () => {
    const plane = story.plane();
    story.happen(plane);
    const api = await planes.reach(plane);
    const cuts = cutsOf(history);
    // All of them are tried in test/full/faults.test.ts.
    for (let i = 0; i < cuts.length; i += Math.ceil(cuts.length / 24)) {
      const cut = cuts[i];
      if (cut === undefined) continue;
      await comeBackLight(story, cut, plane, api, await folders.make()).catch((error) => {
        throw new Error(cut.words, { cause: error });
      });
    }
  });

  it('and the whole agent does so, too', async () => {
    const [lost, kept] = cutsAtDecision(story, history);
    expect(
      [lost, kept].map(({ image }) => journalOf(image)).map((journal) => journal && story.isDecided(journal)),
    ).toEqual([false, true]);
    for (const cut of [lost, kept]) await comeBack(story, cut, await planes.pki, await folders.make(), PLAYED_PROGRAMS);
  });
});

describe('the power goes again and again', () => {
  it('while releases are assigned, taken back and forged, and the next one comes all the same', async () => {
    await runDrawnSequences(10, planes, folders);
  });
});
