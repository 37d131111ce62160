import { describe, expect, it } from 'vitest';
import { doorbellSchema, presenceSchema } from './presence.ts';

describe('presence', () => {
  it.each([
    { online: true, session: 7, agentVersion: '0.1.0' },
    { online: false, session: 1 },
  ])('%j survives the wire as it is', (presence) => {
    expect(presenceSchema.parse(JSON.parse(JSON.stringify(presence)))).toEqual(presence);
  });

  it.each([
    ['without a session a late will could not be told from a new one', { online: false }, 'session'],
    ['sessions count from 1', { online: true, session: 0 }, 'session'],
    ['sessions are whole', { online: true, session: 1.5 }, 'session'],
    ['online is not a word', { online: 'yes', session: 1 }, 'online'],
    ['a version is short', { online: true, session: 1, agentVersion: '1'.repeat(65) }, 'agentVersion'],
  ])('%s', (_, value, path) => {
    expect(presenceSchema.safeParse(value).error?.issues.map((issue) => issue.path[0])).toEqual([path]);
  });
});

describe('a doorbell', () => {
  it('can make a device look, and can tell it nothing', () => {
    expect(doorbellSchema.parse({ reason: 'assignment', release: 'meter-reader@9.9.9' })).toEqual({
      reason: 'assignment',
    });
    expect(doorbellSchema.safeParse({ reason: 'reboot' }).success).toBe(false);
  });
});
