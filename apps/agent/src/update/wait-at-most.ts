/** Waits until something has come to its end, at most so long. @throws what it throws by then */
export const waitAtMost = async (work: Promise<unknown>, mostMs: number): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, mostMs);
  // It may still fail when nobody waits for it any more.
  work.catch(() => undefined);
  await Promise.race([work, promise]).finally(() => clearTimeout(timer));
};
