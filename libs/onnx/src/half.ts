/** Rounds a number to the nearest half precision float, ties to even (IEEE 754), as its 16 bits. */
export const toHalf = (value: number): number => {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  const unbiased = exponent - 127;
  if (unbiased > 15) return sign | 0x7c00;
  // Below the smallest normal half the hidden bit is shifted in, and what is below the last place is rounded.
  const mantissa = exponent === 0 ? fraction : fraction | 0x800000;
  const shift = unbiased < -14 ? 13 + (-14 - unbiased) : 13;
  if (shift > 24) return sign;
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const rounded = kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0);
  // A carry out of the fraction raises the exponent by itself, up to infinity.
  return sign | (unbiased < -14 ? rounded : ((unbiased + 15) << 10) + (rounded - 0x400));
};

/** The number that the 16 bits of a half precision float mean; a NaN is a NaN. */
export const fromHalf = (bits: number): number => {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (0x400 + fraction) * 2 ** (exponent - 25);
};
