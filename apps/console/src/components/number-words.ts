const grouped = new Intl.NumberFormat('en-GB');

/** 1,234,567 */
export const countWords = (count: number): string => grouped.format(count);

/** A part of a whole in per cent; `–` of nothing. */
export const shareWords = (part: number, whole: number): string => {
  if (whole === 0) return '–';
  const share = (part / whole) * 100;
  if (share === 0 || share === 100) return `${share} %`;
  // Neither 0 % nor 100 % where it is not quite that.
  const digits = share < 0.1 || share > 99.9 ? 2 : 1;
  return `${Math.min(99.99, Math.max(0.01, share)).toFixed(digits)} %`;
};
