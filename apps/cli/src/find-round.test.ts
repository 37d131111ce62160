import { describe, expect, it } from 'vitest';
import type { AdminClient } from './connection.ts';
import { findRound } from './find-round.ts';

const ID = '6f1c2a34-0000-4000-8000-000000000003';

const fleetWith = (...ids: string[]) =>
  ({ listRounds: async () => ({ items: ids.map((id) => ({ id })), nextCursor: null }) }) as unknown as Pick<
    AdminClient,
    'listRounds'
  >;

describe('findRound', () => {
  it('takes the beginning of an id, or the newest', async () => {
    expect(await findRound(fleetWith(ID), '6f')).toBe(ID);
    expect(await findRound(fleetWith(ID), 'last')).toBe(ID);
  });

  it('says how to list rounds, and how to make the first', async () => {
    await expect(findRound(fleetWith(ID), '7')).rejects.toThrow(
      'There is no round "7". List them with: aviary fed list',
    );
    await expect(findRound(fleetWith(), 'last')).rejects.toThrow('aviary fed create');
  });
});
