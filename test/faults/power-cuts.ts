import { setTimeout as pause } from 'node:timers/promises';
import { peekJournal } from '../../apps/agent/src/state/journal.ts';
import type { TestPki } from '../../apps/agent/src/testing/fleet-pki.ts';
import type { DevicePlane } from './device-plane.ts';
import type { Story } from './device-story.ts';
import { type DiskHistory, type DiskImage, type Fate, fateOf, keyOf, readImage } from './disk-history.ts';
import { type Programs, RunningDevice } from './running-device.ts';
import { soon } from './soon.ts';
import { prepareState } from './state-folders.ts';
import { journalOf, type Seen } from './told-and-kept.ts';
import { WatchedDisk } from './watched-disk.ts';

/** Notes in the history what the world sees of a device. */
export const markSeen = (disk: WatchedDisk<Seen>, plane: DevicePlane): void => {
  plane.onBatch = (batch) => disk.mark({ kind: 'batch', batch });
  plane.onSession = (session) => disk.mark({ kind: 'session', session });
};

/** Plays a story once, to its end, without a cut, and gives all that was done to the disk meanwhile. */
export const playOnce = async (
  story: Story,
  pki: TestPki,
  folder: string,
  programs: Programs = {},
): Promise<DiskHistory<Seen>> => {
  await prepareState(folder, story.journal, story.held);
  const plane = story.plane();
  const disk = await WatchedDisk.watch<Seen>(folder);
  markSeen(disk, plane);
  const device = await RunningDevice.start(folder, plane, pki, programs);
  device.onServed = (release) => disk.mark({ kind: 'answer', release });
  try {
    await soon(`${story.name}: something serves`, () => device.served.length > 0);
    story.happen(plane);
    plane.ring('trust');
    await soon(`${story.name}: its end serves`, () => device.served.at(-1) === story.end.statement.release);
    await soon(`${story.name}: all is noted`, async () => isNoted(story, folder));
    for (let length = -1; length !== disk.history.length; await pause(300)) length = disk.history.length;
    const kept = keyOf(disk.history.image(disk.history.length, fateOf(true, 'kept')));
    if (kept !== keyOf(await readImage(folder))) throw new Error('something was written past the watched functions');
  } finally {
    disk.leave();
    await device.stop();
  }
  return disk.history;
};

/** Whether the journal on the disk has what was decided, and nothing is left to be done or told. */
export const isNoted = async (story: Story, folder: string): Promise<boolean> => {
  const journal = await peekJournal(folder);
  return (
    journal !== undefined && story.isDecided(journal) && journal.candidate === null && journal.notices.length === 0
  );
};

/** What a power cut may leave. */
export interface Cut {
  /** Where the power goes, and what becomes of what is not synced. */
  readonly words: string;
  readonly image: DiskImage;
  /** What the world has seen before. */
  readonly seen: readonly Seen[];
}

/** The two disks between which the decision of a story lies: it is written and not synced, and lost or there. */
export const cutsAtDecision = (story: Story, history: DiskHistory<Seen>): readonly [lost: Cut, kept: Cut] => {
  for (let place = 0; place <= history.length; place += 1) {
    const kept = history.image(place, fateOf(true, 'kept'));
    const journal = journalOf(kept);
    if (journal === undefined || !story.isDecided(journal)) continue;
    const lost = history.image(place, fateOf(false, 'lost'));
    const seen = history.marksBefore(place);
    return [
      { words: 'the decision is lost', image: lost, seen },
      { words: 'the decision is kept', image: kept, seen },
    ];
  }
  throw new Error(`${story.name} comes to no decision`);
};

const FATES: readonly (readonly [words: string, fate: Fate])[] = [
  ['all is lost', fateOf(false, 'lost')],
  ['all is kept', fateOf(true, 'kept')],
  ['names are kept, content is lost', fateOf(true, 'lost')],
  ['names are kept, content is torn', fateOf(true, 'torn')],
  ['names are lost, content is kept', fateOf(false, 'kept')],
];

/** The cuts at every place of a history, with every fate that all changes may share; each of what they may leave once. */
export const cutsOf = (history: DiskHistory<Seen>): Cut[] => {
  const cuts = new Map<string, Cut>();
  for (let place = 0; place <= history.length; place += 1) {
    const seen = history.marksBefore(place);
    const before = history.entries[place]?.words ?? 'nothing more';
    for (const [words, fate] of FATES) {
      const image = history.image(place, fate);
      // The same disk after more was seen is another case: it may have to hold more.
      const key = `${keyOf(image)} ${seen.length}`;
      if (!cuts.has(key)) cuts.set(key, { words: `before ${place} (${before}), ${words}`, image, seen });
    }
  }
  return [...cuts.values()];
};
