import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyUpdate, decodeHead, encodeHead, HeadBytesError, headSize, normOf, updateBetween } from './head-codec.ts';

const shape = { features: 3, classes: 2 };

describe('the bytes of a head', () => {
  it('are 32-bit floats, little endian', () => {
    expect(encodeHead(Float32Array.of(1, -2))).toEqual(Uint8Array.of(0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0));
  });

  it('come back bit for bit, from anywhere in a buffer', () => {
    fc.assert(
      fc.property(
        fc.float32Array({ minLength: headSize(shape), maxLength: headSize(shape) }),
        fc.nat(7),
        (values, at) => {
          const buffer = new Uint8Array(at + 4 * values.length);
          buffer.set(encodeHead(values), at);
          const back = decodeHead(buffer.subarray(at), shape);
          expect(back.every((value, index) => Object.is(value, values[index]))).toBe(true);
        },
      ),
    );
  });

  it.each([0, 31, 33, 36])('of another number (%d) are refused', (length) => {
    expect(() => decodeHead(new Uint8Array(length), shape)).toThrow(HeadBytesError);
    expect(() => decodeHead(new Uint8Array(length), shape)).toThrow(
      `Expected 32 bytes for 3 features and 2 classes, got ${length}.`,
    );
  });
});

describe('an update', () => {
  it('is next minus base, and makes next of base', () => {
    const base = Float32Array.of(1, 2, -3);
    const next = Float32Array.of(1.5, 2, -4);
    expect(updateBetween(base, next)).toEqual(Float32Array.of(0.5, 0, -1));
    expect(applyUpdate(base, updateBetween(base, next))).toEqual(next);
  });

  it('is rounded to 32 bits once', () => {
    expect(applyUpdate(Float32Array.of(1), Float32Array.of(2 ** -30))).toEqual(Float32Array.of(1));
    expect(updateBetween(Float32Array.of(1), Float32Array.of(0.1))[0]).toBe(Math.fround(Math.fround(0.1) - 1));
  });

  it('goes with heads of its own shape only', () => {
    expect(() => applyUpdate(new Float32Array(2), new Float32Array(3))).toThrow('one shape, got 2 and 3 values');
    expect(() => updateBetween(new Float32Array(3), new Float32Array(2))).toThrow(HeadBytesError);
  });

  it('has a length that does not overflow', () => {
    expect(normOf(Float32Array.of(3, -4))).toBe(5);
    expect(normOf(new Float32Array(4).fill(3e38))).toBeCloseTo(2 * Math.fround(3e38), -30);
    expect(normOf(new Float32Array())).toBe(0);
  });
});
