import { ProcessUsageMeter } from './process-usage.ts';

/** Memory that leaks fast fills a small board within seconds. */
const LOOK_MS = 1_000;

/**
 * Looks at what processes have in memory together, once a second, and tells when that is more than they may. Starts nothing.
 * @param limitBytes resident memory that they may have
 * @param onOver told once, with what they had; nothing is looked at afterwards
 * @returns what ends it
 */
export const watchMemory = (
  pids: readonly number[],
  limitBytes: number,
  onOver: (rssBytes: number) => void,
): (() => void) => {
  const meter = new ProcessUsageMeter();
  const timer = setInterval(() => {
    const { rssBytes } = meter.sample(pids);
    if (rssBytes <= limitBytes) return;
    stop();
    onOver(rssBytes);
  }, LOOK_MS);
  const stop = (): void => {
    clearInterval(timer);
    meter.close();
  };
  return stop;
};
