const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const amount = (distance: number): string => {
  if (distance < MINUTE) return `${Math.floor(distance / 1000)} s`;
  if (distance < HOUR) return `${Math.floor(distance / MINUTE)} min`;
  if (distance < 2 * DAY) return `${Math.floor(distance / HOUR)} h`;
  return `${Math.floor(distance / DAY)} d`;
};

/** `3 min ago`, `in 20 s`; two clocks that differ by a little are `just now`. Both in ms since 1970. */
export const relativeWords = (at: number, now: number): string => {
  const distance = Math.abs(now - at);
  if (distance < 2000) return 'just now';
  return at < now ? `${amount(distance)} ago` : `in ${amount(distance)}`;
};

/** A time in full, on the reader's own clock. */
export const clockWords = (at: number): string =>
  new Date(at).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
