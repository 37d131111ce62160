import { useSyncExternalStore } from 'react';
import { clockWords, relativeWords } from './relative-words.ts';

let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

/** One clock for all times of a page; it stands still when there are none. */
const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  if (timer === undefined) {
    now = Date.now();
    timer = setInterval(() => {
      now = Date.now();
      for (const each of listeners) each();
    }, 1000);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
};

/** A time as its distance from now; the time itself in the tooltip. `never` stands where there is none. */
export const RelativeTime = ({ at, never = 'never' }: { at: number | null; never?: string }) => {
  const words = useSyncExternalStore(subscribe, () => (at === null ? never : relativeWords(at, now)));
  if (at === null) return <span>{words}</span>;
  return (
    <time dateTime={new Date(at).toISOString()} title={clockWords(at)} style={{ whiteSpace: 'nowrap' }}>
      {words}
    </time>
  );
};
