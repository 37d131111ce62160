import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '../../infra/log.ts';
import type { DeviceSession } from '../devices/certificates.service.ts';
import { SessionWatch } from './session-watch.ts';

const log = createLogger('test', 'silent');
const session = (deviceId: string): DeviceSession => ({ deviceId, fingerprint: deviceId.repeat(8) });

let sessions: DeviceSession[];
let fallen: Set<string>;
let ended: string[];
let fails: boolean;
let wake: () => void;
let watch: SessionWatch;

beforeEach(() => {
  vi.useFakeTimers();
  [sessions, fallen, ended, fails] = [[session('d-a'), session('d-b')], new Set(), [], false];
  watch = new SessionWatch(
    {
      listen: (_, woken) => {
        wake = woken;
      },
    },
    {
      revoked: async () => new Set(),
      fallen: async (asked) => {
        if (fails) throw new Error('the database is away');
        return asked.filter(({ deviceId }) => fallen.has(deviceId));
      },
    },
    {
      enforce: async (certificates) => {
        for (const { deviceId } of await certificates.fallen(sessions)) {
          ended.push(deviceId);
          sessions = sessions.filter((one) => one.deviceId !== deviceId);
        }
      },
    },
    log,
  );
  watch.start();
});
afterEach(async () => {
  await watch.stop();
  vi.useRealTimers();
});

describe('sessions whose certificate does not count any more', () => {
  it('end as soon as somebody says so, and no others', async () => {
    await vi.advanceTimersByTimeAsync(100);
    expect(ended).toEqual([]);
    fallen.add('d-b');
    wake();
    await vi.advanceTimersByTimeAsync(100);
    expect(ended).toEqual(['d-b']);
  });

  it('end within seconds when nobody has said so', async () => {
    await vi.advanceTimersByTimeAsync(100);
    fallen.add('d-a');
    await vi.advanceTimersByTimeAsync(5_100);
    expect(ended).toEqual(['d-a']);
  });

  it('end once the database is back', async () => {
    [fails, fallen] = [true, new Set(['d-a'])];
    wake();
    await vi.advanceTimersByTimeAsync(6_000);
    expect(ended).toEqual([]);
    fails = false;
    await vi.advanceTimersByTimeAsync(5_100);
    expect(ended).toEqual(['d-a']);
  });
});
