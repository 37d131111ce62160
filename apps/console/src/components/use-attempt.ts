import { useState } from 'react';

interface Attempt {
  /** Whether it is under way. */
  readonly busy: boolean;
  /** Begins it, and returns at once. */
  readonly attempt: (act: () => Promise<unknown>) => void;
}

/**
 * For what a person submits. Unlike a mutation of the query client it keeps nothing of it, such as a password, and says
 * at once when there is no network.
 * @param take is told what went wrong, and null where an attempt begins
 */
export const useAttempt = (take: (error: unknown) => void): Attempt => {
  const [busy, setBusy] = useState(false);
  const attempt = async (act: () => Promise<unknown>) => {
    setBusy(true);
    take(null);
    try {
      await act();
    } catch (reason) {
      take(reason);
    } finally {
      setBusy(false);
    }
  };
  return { busy, attempt };
};
