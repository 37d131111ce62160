import { describe, expect, it } from 'vitest';
import type { AdminClient } from './connection.ts';
import { findDevice } from './find-device.ts';

const asked: unknown[] = [];
const fleetWith = (...devices: readonly (readonly [string, string])[]) =>
  ({
    listDevices: async (input: unknown) => {
      asked.push(input);
      return { items: devices.map(([id, name]) => ({ id, name })), nextCursor: null };
    },
  }) as unknown as Pick<AdminClient, 'listDevices'>;

describe('findDevice', () => {
  it('takes a name, or an id, which wins over names', async () => {
    expect(await findDevice(fleetWith(['d-1', 'gate']), 'gate')).toBe('d-1');
    expect(await findDevice(fleetWith(['d-1', 'gate'], ['gate', 'other']), 'gate')).toBe('gate');
    expect(asked.at(-1)).toEqual({ query: { selector: 'id = "gate" or name = "gate"', limit: 10 } });
    await findDevice(fleetWith(['d-1', 'the "big" one']), 'the "big" one');
    expect(asked.at(-1)).toMatchObject({ query: { selector: `id = 'the "big" one' or name = 'the "big" one'` } });
  });

  it('says when there is none, and which there are when several are called so', async () => {
    await expect(findDevice(fleetWith(), 'gate')).rejects.toThrow('There is no device "gate". List them with');
    await expect(findDevice(fleetWith(['d-1', 'gate'], ['d-2', 'gate']), 'gate')).rejects.toThrow(
      'name one by its id: d-1, d-2',
    );
  });
});
