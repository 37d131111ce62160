import { describe, expect, it } from 'vitest';
import { updateWindowSchema, windowAt } from './window-spec.ts';

const window = (asked: Record<string, unknown> = {}) =>
  updateWindowSchema.parse({ cron: '0 2 * * *', duration: '3h', ...asked });
const at = (time: string): number => Date.parse(time);
const messageOf = (asked: Record<string, unknown>): string =>
  updateWindowSchema.safeParse({ cron: '0 2 * * *', duration: '3h', ...asked }).error?.issues[0]?.message ?? '';

describe('windowAt', () => {
  it('is open from when the cron fires until its duration is over', () => {
    const states = ['01:59:59', '02:00:00', '04:59:59', '05:00:00'].map((time) =>
      windowAt(window(), at(`2026-01-15T${time}Z`), 'UTC'),
    );
    expect(states).toEqual([
      { open: false, opensAt: at('2026-01-15T02:00:00Z'), closesAt: null },
      { open: true, opensAt: null, closesAt: at('2026-01-15T05:00:00Z') },
      { open: true, opensAt: null, closesAt: at('2026-01-15T05:00:00Z') },
      { open: false, opensAt: at('2026-01-16T02:00:00Z'), closesAt: null },
    ]);
  });

  it('is where the device is', () => {
    const noon = at('2026-01-15T17:30:00Z');
    expect(windowAt(window(), noon, 'Asia/Tokyo').open).toBe(true);
    expect(windowAt(window(), noon, 'America/New_York')).toMatchObject({
      open: false,
      opensAt: at('2026-01-16T07:00:00Z'),
    });
  });

  it('is where it says, wherever the device is', () => {
    const fixed = window({ zone: 'Asia/Tokyo' });
    expect(windowAt(fixed, at('2026-01-15T17:30:00Z'), 'America/New_York').open).toBe(true);
  });

  it.each([null, 'Mars/Olympus'])('takes UTC for a device that says %j', (zone) => {
    expect(windowAt(window(), at('2026-01-15T02:30:00Z'), zone).open).toBe(true);
  });

  it('opens once in a night that has 02:00 not at all, and once in one that has it twice', () => {
    const zone = 'Europe/Paris';
    expect(windowAt(window(), at('2026-03-28T23:00:00Z'), zone).opensAt).toBe(at('2026-03-29T01:00:00Z'));
    expect(windowAt(window(), at('2026-10-24T23:00:00Z'), zone).opensAt).toBe(at('2026-10-25T00:00:00Z'));
  });

  it('stays open where it begins again before it ends', () => {
    const overlapping = window({ cron: '0 * * * *', duration: '90m' });
    expect(windowAt(overlapping, at('2026-01-15T10:59:59Z'), 'UTC').open).toBe(true);
  });
});

describe('a window that is refused', () => {
  it.each([
    [{ cron: '0 0 30 2 *' }, 'expected a cron that fires some day, got "0 0 30 2 *", which never does'],
    [{ cron: '0 2 * *' }, 'expected five fields of cron such as "0 2 * * *", got "0 2 * *"'],
    [{ cron: '0 25 * * *' }, 'Invalid value for hour: 25'],
    [{ cron: '0 0 2 * * *' }, 'expected five fields of cron'],
    [{ duration: 0 }, 'expected more than 0: a window has to be open for some time'],
    [{ zone: 'Lyon' }, 'expected device, or a time zone such as Europe/Paris or UTC'],
  ])('says why: %j', (asked, words) => {
    expect(messageOf(asked)).toContain(words);
  });
});
