const LENGTH = 64;

/** What was meant by a text: colons, spaces and capitals do not matter. */
export const readFingerprint = (text: string): string => text.replaceAll(/[\s:]/g, '').toLowerCase();

/**
 * Compares what somebody reads on a board with the fingerprint of the key that asks, from the first digit on.
 * @returns what is wrong with it; undefined: nothing so far
 */
export const fingerprintProblem = (text: string, wanted: string): string | undefined => {
  const typed = readFingerprint(text);
  if (/[^0-9a-f]/.test(typed)) return `Expected ${LENGTH} hex digits (0-9, a-f), got “${text.trim()}”.`;
  const differsAt = [...typed].findIndex((digit, at) => digit !== wanted[at]);
  if (differsAt < 0) return undefined;
  return `Digit ${differsAt + 1} differs from the key that asks. Read it once more; if the board shows just this, somebody else’s key asks here: reject it.`;
};

/** Whether it is the fingerprint, all of it. */
export const isFingerprint = (text: string, wanted: string): boolean => readFingerprint(text) === wanted;
