import type { WaveView } from '../api/generated/index.ts';
import { stateWords } from './state-tone.ts';

/** What the devices of a wave are at, from the left of its bar to the right. */
export const PORTIONS = ['good', 'bad', 'canceled', 'moving', 'waiting'] as const;
export type Portion = (typeof PORTIONS)[number];

const PORTION_OF: Readonly<Record<string, Portion>> = {
  SUCCEEDED: 'good',
  ALREADY_INSTALLED: 'good',
  STAGED: 'good',
  FAILED: 'bad',
  REJECTED: 'bad',
  TIMED_OUT: 'bad',
  ROLLED_BACK: 'bad',
  CANCELED: 'canceled',
  REMOVED: 'canceled',
  QUEUED: 'waiting',
};

/** Devices of a wave by what they are at; those that have no execution yet are waiting. They add up to its size. */
export const portionsOf = (wave: Pick<WaveView, 'size' | 'counts'>): Readonly<Record<Portion, number>> => {
  const portions = { good: 0, bad: 0, canceled: 0, moving: 0, waiting: 0 };
  let known = 0;
  for (const [state, count] of Object.entries(wave.counts)) {
    portions[PORTION_OF[state] ?? 'moving'] += count;
    known += count;
  }
  portions.waiting += Math.max(0, wave.size - known);
  return portions;
};

/** `3 succeeded, 1 rolled back`; of a wave that has not begun, nothing. */
export const countWords = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count.toLocaleString('en')} ${stateWords(state).toLowerCase()}`)
    .join(', ');

/** `1 device`, `12 devices`. */
export const deviceCount = (count: number): string =>
  `${count.toLocaleString('en')} ${count === 1 ? 'device' : 'devices'}`;
