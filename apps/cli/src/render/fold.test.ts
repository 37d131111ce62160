import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold } from './fold.ts';

describe('fold', () => {
  it('breaks at spaces, and hangs the rest', () => {
    expect(fold('  wave 1  running, 2 devices', 16)).toEqual(['  wave 1', '    running, 2', '    devices']);
    expect(fold('short', 16)).toEqual(['short']);
  });

  it('keeps every word, and every part within the width', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), fc.integer({ min: 2, max: 60 }), (line, width) => {
        const parts = fold(line, width);
        expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(width);
        expect(parts.join('').replaceAll(/\s/g, '')).toBe(line.replaceAll(/\s/g, ''));
      }),
    );
  });
});
