import type { SwitchTerms } from '@aviary/release';
import { windowAt } from '@aviary/rollout';
import type { Consent } from '../state/journal.ts';

/** How long a device that can tell no time waits until its clock is set, before it goes on without regard to a window. */
export const CLOCK_PATIENCE_MS = 3_600_000;

/** What time it is, as far as the device can tell. */
export interface Moment {
  /** By the device's clock, ms since 1970. */
  readonly now: number;
  /** The newest time that was seen signed, ms since 1970: a clock before it is wrong. */
  readonly floor: number;
  /** How long this run of the agent has known what is assigned, ms of the monotonic clock. */
  readonly heldMs: number;
  /** The device's time zone, of the IANA database; null: not known. */
  readonly zone: string | null;
}

/** Why what is assigned does not serve yet, although nothing has failed. */
export interface Hold {
  readonly waitsFor: 'window' | 'consent';
  /** When it goes on by itself, ms since 1970; null: that cannot be told. */
  readonly until: number | null;
  /** An application has put it off until then, ms since 1970; null: none has, or the time is over. */
  readonly laterUntil: number | null;
  /** The same as a sentence. */
  readonly words: string;
}

/**
 * What keeps a device from switching to what it is assigned; null when nothing does. Consent is asked for first: it may be
 * given while a window is closed.
 *
 * A clock that is behind what was signed is known to be wrong, and no window can be told by it. It is waited for, since it
 * is usually set soon after the network is there, and not for ever: the control plane has assigned nothing outside of the
 * window either.
 */
export const holdOf = (
  terms: SwitchTerms | undefined,
  consent: Consent | undefined,
  { now, floor, heldMs, zone }: Moment,
): Hold | null => {
  if (terms === undefined) return null;
  const isWrong = now < floor;
  // What was signed is not older than it was assigned, and since then at least this run of the agent has passed.
  const reckoned = isWrong ? floor + heldMs : now;
  const { mode, window, forceAt = Number.POSITIVE_INFINITY } = terms;
  if (mode === 'soft' && consent?.decision !== 'allow' && reckoned < forceAt) {
    const laterUntil = consent !== undefined && reckoned < consent.until ? consent.until : null;
    const until = Number.isFinite(forceAt) ? forceAt : null;
    const putOff = laterUntil === null ? '' : `; an application has put it off until ${iso(laterUntil)}`;
    const forced = until === null ? '' : `; goes on without it at ${iso(until)}`;
    return { waitsFor: 'consent', until, laterUntil, words: `waits for consent${putOff}${forced}` };
  }
  if (window === undefined) return null;
  const closed = { waitsFor: 'window', laterUntil: null } as const;
  if (isWrong) {
    const words = 'waits for its window, and for its clock, which is behind what was signed';
    return heldMs < CLOCK_PATIENCE_MS ? { ...closed, until: null, words } : null;
  }
  const { open, opensAt } = windowAt(window, now, zone);
  if (open) return null;
  const opens = opensAt === null ? '' : `, which opens at ${iso(opensAt)}`;
  return { ...closed, until: opensAt, words: `waits for its window${opens}` };
};

const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();
