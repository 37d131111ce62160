import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Patience } from './patience.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

describe('patience', () => {
  it('is over after its time', () => {
    const { signal } = new Patience(1_000);
    vi.advanceTimersByTime(999);
    expect(signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(signal.reason).toMatchObject({ message: 'the source takes too long' });
  });

  it('does not count while the device holds itself back', () => {
    const patience = new Patience(1_000);
    for (let i = 0; i < 3; i += 1) {
      vi.advanceTimersByTime(300);
      patience.hold();
      vi.advanceTimersByTime(3_600_000);
      patience.goOn();
    }
    vi.advanceTimersByTime(99);
    expect(patience.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(patience.signal.aborted).toBe(true);
  });

  it('is never over once nobody waits', () => {
    const patience = new Patience(1_000);
    patience.end();
    vi.advanceTimersByTime(10_000);
    expect(patience.signal.aborted).toBe(false);
  });
});
