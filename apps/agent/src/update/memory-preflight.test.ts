import { describe, expect, it } from 'vitest';
import { MemoryPreflight } from './memory-preflight.ts';

const MB = 2 ** 20;
const serves = (length: number) => ({ release: { length }, pid: 1 });

describe('the memory for a second release', () => {
  it('is what one of the same size takes now, with its opened files and what is left to the board', () => {
    const preflight = (free: number) =>
      new MemoryPreflight(
        () => free * MB,
        () => 300 * MB,
      );
    expect(preflight(300 + 40 + 64).shortage({ length: 40 * MB }, serves(40 * MB))).toBeUndefined();
    expect(preflight(300 + 40 + 63).shortage({ length: 40 * MB }, serves(40 * MB))).toBe(
      'it needs about 340 MB of memory beside it, and 339 MB are free',
    );
  });

  it('grows with the file, and is never less than a worker with nothing to hold takes', () => {
    const preflight = new MemoryPreflight(
      () => 0,
      () => 200 * MB,
    );
    expect(preflight.shortage({ length: 100 * MB }, serves(40 * MB))).toContain('about 420 MB');
    expect(preflight.shortage({ length: 1 * MB }, serves(90 * MB))).toContain('about 111 MB');
  });

  it('is measured on this machine, and there for a small one', () => {
    expect(
      new MemoryPreflight().shortage({ length: MB }, { release: { length: MB }, pid: process.pid }),
    ).toBeUndefined();
  });
});
