const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** A number of bytes as people read it: `1.4 MB`. Powers of 1000. */
export const byteWords = (bytes: number): string => {
  const step = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const amount = bytes / 1000 ** step;
  return `${step === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${UNITS[step]}`;
};
