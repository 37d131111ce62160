import type { ChangeEvent } from '@aviary/protocol';
import type { Change } from './change-log.ts';
import { formatPosition } from './change-position.ts';

/** More ids than this are told as "many": who shows a list reads it again anyway. */
const MOST_IDS = 20;

/** A message of an event stream (HTML, 9.2.6). Without an id the reader stays where it stands. */
export const eventMessage = (event: string, data: unknown, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** One event per topic, with all that its changes name. */
export const mergeChanges = (changes: readonly ChangeEvent[]): ChangeEvent[] => {
  const topics = new Map<ChangeEvent['topic'], Set<string> | null>();
  for (const { topic, ids } of changes) {
    const before = topics.get(topic);
    const merged = ids === null || before === null ? null : new Set([...(before ?? []), ...ids]);
    topics.set(topic, merged !== null && merged.size > MOST_IDS ? null : merged);
  }
  return [...topics].map(([topic, ids]) => ({ topic, ids: ids === null ? null : [...ids] }));
};

/**
 * Changes as messages. Only the last one has an id: a reader that is cut off in between has not seen everything up to
 * there, and must be told again.
 */
export const changeMessages = (changes: readonly Change[]): string => {
  const last = changes.at(-1);
  if (last === undefined) return '';
  const events = mergeChanges(changes);
  return events
    .map((event, index) =>
      eventMessage('change', event, index === events.length - 1 ? formatPosition(last.position) : undefined),
    )
    .join('');
};
