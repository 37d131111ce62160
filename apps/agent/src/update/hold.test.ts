import type { SwitchTerms } from '@aviary/release';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLOCK_PATIENCE_MS, holdOf, type Moment } from './hold.ts';

const at = (text: string): number => Date.parse(text);
const moment = (text: string, change: Partial<Moment> = {}): Moment => {
  return { now: at(text), floor: 0, heldMs: 0, zone: 'UTC', ...change };
};
const window = { cron: '0 2 * * *', duration: 10_800, zone: 'device' };
const nightly: SwitchTerms = { mode: 'forced', window };
const soft: SwitchTerms = { mode: 'soft' };

describe('what keeps a device from switching', () => {
  it('is nothing without terms, and nothing where it is forced at any time', () => {
    expect(holdOf(undefined, undefined, moment('2026-03-01T10:00:00Z'))).toBeNull();
    expect(holdOf({ mode: 'forced' }, undefined, moment('2026-03-01T10:00:00Z'))).toBeNull();
  });

  it('is a window that is closed where the device is, until it opens', () => {
    const night = moment('2026-03-01T03:00:00Z');
    expect(holdOf(nightly, undefined, night)).toBeNull();
    expect(holdOf(nightly, undefined, { ...night, zone: 'Asia/Tokyo' })).toEqual({
      waitsFor: 'window',
      until: at('2026-03-01T17:00:00Z'),
      laterUntil: null,
      words: 'waits for its window, which opens at 2026-03-01T17:00:00.000Z',
    });
    expect(
      holdOf({ mode: 'forced', window: { ...window, zone: 'UTC' } }, undefined, { ...night, zone: 'Asia/Tokyo' }),
    ).toBeNull();
  });

  it('is a clock that is known to be wrong, where there is a window, and not for ever', () => {
    // By itself this clock says that the window is open.
    const wrong = moment('1970-01-01T02:30:00Z', { floor: at('2026-03-01T02:30:00Z') });
    expect(holdOf(nightly, undefined, wrong)).toMatchObject({ waitsFor: 'window', until: null });
    expect(holdOf({ mode: 'forced' }, undefined, wrong)).toBeNull();
    expect(holdOf(nightly, undefined, { ...wrong, heldMs: CLOCK_PATIENCE_MS - 1 })).not.toBeNull();
    expect(holdOf(nightly, undefined, { ...wrong, heldMs: CLOCK_PATIENCE_MS })).toBeNull();
  });

  it('is that an application has not allowed it, until it does', () => {
    const day = moment('2026-03-01T10:00:00Z');
    expect(holdOf(soft, undefined, day)).toEqual({
      waitsFor: 'consent',
      until: null,
      laterUntil: null,
      words: 'waits for consent',
    });
    expect(holdOf(soft, { decision: 'allow' }, day)).toBeNull();
  });

  it('is that an application has put it off, which is no consent when the time is over', () => {
    const later = { decision: 'later', until: at('2026-03-01T11:00:00Z') } as const;
    expect(holdOf(soft, later, moment('2026-03-01T10:00:00Z'))).toMatchObject({
      waitsFor: 'consent',
      laterUntil: later.until,
      words: 'waits for consent; an application has put it off until 2026-03-01T11:00:00.000Z',
    });
    expect(holdOf(soft, later, moment('2026-03-01T11:00:00Z'))).toMatchObject({
      waitsFor: 'consent',
      laterUntil: null,
    });
  });

  it('is no missing consent any more from the time on at which it is forced, also by a clock that is wrong', () => {
    const forced: SwitchTerms = { mode: 'soft', forceAt: at('2026-03-01T12:00:00Z') };
    const later = { decision: 'later', until: at('2026-03-02T00:00:00Z') } as const;
    expect(holdOf(forced, undefined, moment('2026-03-01T11:59:59Z'))?.words).toBe(
      'waits for consent; goes on without it at 2026-03-01T12:00:00.000Z',
    );
    expect(holdOf(forced, later, moment('2026-03-01T12:00:00Z'))).toBeNull();
    const wrong = moment('1970-01-01T00:01:00Z', { floor: at('2026-03-01T11:00:00Z') });
    expect(holdOf(forced, undefined, { ...wrong, heldMs: 3_599_999 })).not.toBeNull();
    expect(holdOf(forced, undefined, { ...wrong, heldMs: 3_600_000 })).toBeNull();
  });

  it('is a closed window also after consent, and after it was forced', () => {
    const both: SwitchTerms = { mode: 'soft', window, forceAt: at('2026-03-01T12:00:00Z') };
    expect(holdOf(both, undefined, moment('2026-03-01T10:00:00Z'))?.waitsFor).toBe('consent');
    expect(holdOf(both, { decision: 'allow' }, moment('2026-03-01T10:00:00Z'))?.waitsFor).toBe('window');
    expect(holdOf(both, undefined, moment('2026-03-01T13:00:00Z'))?.waitsFor).toBe('window');
    expect(holdOf(both, undefined, moment('2026-03-02T02:00:00Z'))).toBeNull();
  });

  it('lasts until the time that it names and no longer, at any moment and in any zone', () => {
    const zones = fc.constantFrom('UTC', 'Asia/Tokyo', 'America/New_York', 'Australia/Lord_Howe', null);
    const years = fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2028-01-01T00:00:00Z') });
    fc.assert(
      fc.property(years, zones, (now, zone) => {
        const hold = holdOf(nightly, undefined, { now, floor: 0, heldMs: 0, zone });
        if (hold === null) return;
        const until = hold.until ?? 0;
        expect(until).toBeGreaterThan(now);
        expect(holdOf(nightly, undefined, { now: until - 1, floor: 0, heldMs: 0, zone })).not.toBeNull();
        expect(holdOf(nightly, undefined, { now: until, floor: 0, heldMs: 0, zone })).toBeNull();
      }),
    );
  });
});
