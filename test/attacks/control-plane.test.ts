import { describe, expect, it } from 'vitest';
import { attackedDevices } from './attacked-device.ts';

const { releaseOf, begun } = attackedDevices();
const [first, second, third] = await Promise.all([releaseOf(1), releaseOf(2), releaseOf(3)]);

describe('wrong device', () => {
  it('refuses what the director has signed for another one', async () => {
    const { device } = await begun(first);
    device.published(second);
    device.isAssigned(second, { deviceId: 'd-two' });
    await device.refuses('wrong-device');
    expect(device.served).toEqual([first.held.release]);
    await device.takes(third);
  });

  it('refuses what was signed for it before it joined again', async () => {
    const { device } = await begun(first);
    device.published(second);
    device.isAssigned(second, { epoch: 7 });
    await device.refuses('wrong-epoch');
    expect(device.served).toEqual([first.held.release]);
    await device.takes(third);
  });
});

describe('replayed assignment', () => {
  it('is refused, though it was good once', async () => {
    const { device, plane } = await begun(first);
    await device.takes(second);
    const { assignment } = plane;
    await device.takes(third);
    plane.assignment = assignment;
    await device.refuses('replayed');
    expect(device.served.at(-1)).toBe(third.held.release);
    await device.takes(await releaseOf(4));
  });
});
