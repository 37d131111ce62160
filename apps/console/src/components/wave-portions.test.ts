import { describe, expect, it } from 'vitest';
import { countWords, portionsOf } from './wave-portions.ts';

describe('portionsOf', () => {
  it('adds up to the size of the wave, whatever its devices are at', () => {
    const counts = { SUCCEEDED: 2, ALREADY_INSTALLED: 1, ROLLED_BACK: 1, CANCELED: 1, DOWNLOADING: 2, QUEUED: 1 };
    expect(portionsOf({ size: 10, counts })).toEqual({ good: 3, bad: 1, canceled: 1, moving: 2, waiting: 3 });
  });

  it('has all devices of a wave that has not begun waiting', () => {
    expect(portionsOf({ size: 4, counts: {} })).toEqual({ good: 0, bad: 0, canceled: 0, moving: 0, waiting: 4 });
  });
});

describe('countWords', () => {
  it('says states as people do', () => {
    expect(countWords({ SUCCEEDED: 1200, TIMED_OUT: 1, FAILED: 0 })).toBe('1,200 succeeded, 1 timed out');
  });
});
