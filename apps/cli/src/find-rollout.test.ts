import { describe, expect, it } from 'vitest';
import type { AdminClient } from './connection.ts';
import { findRollout } from './find-rollout.ts';

const [NEWEST, MIDDLE, OLDEST] = [
  '6f1c2a34-0000-4000-8000-000000000003',
  '6f9e0000-0000-4000-8000-000000000002',
  '11110000-0000-4000-8000-000000000001',
] as const;

const fleetWith = (...ids: string[]) =>
  ({
    listRollouts: async () => ({ items: ids.map((id) => ({ id })), nextCursor: null }),
  }) as unknown as Pick<AdminClient, 'listRollouts'>;
const find = (id: string) => findRollout(fleetWith(NEWEST, MIDDLE, OLDEST), id);

describe('findRollout', () => {
  it('takes an id, the beginning of one, or the newest', async () => {
    expect(await find('6f1c')).toBe(NEWEST);
    expect(await find('1')).toBe(OLDEST);
    expect(await find('last')).toBe(NEWEST);
    expect(await findRollout(fleetWith(), MIDDLE)).toBe(MIDDLE);
  });

  it('refuses a beginning of several, and of none', async () => {
    await expect(find('6f')).rejects.toThrow('"6f" is the beginning of 2 rollouts; give more of it.');
    await expect(find('abc')).rejects.toThrow('There is no rollout "abc". List them with: aviary rollout list');
  });

  it('says how to make the first', async () => {
    await expect(findRollout(fleetWith(), 'last')).rejects.toThrow('aviary rollout create');
  });
});
