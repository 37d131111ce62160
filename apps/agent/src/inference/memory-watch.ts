import { ProcessUsageMeter } from './process-usage.ts';

/** Memory that leaks fast fills a small board within seconds. */
const LOOK_MS = 1_000;

/**
 * Looks at what a process has in memory, once a second, and tells when that is more than it may. Starts nothing.
 * @param limitBytes resident memory that it may have
 * @param onOver told once, with what it had; nothing is looked at afterwards
 * @returns what ends it
 */
export const watchMemory = (pid: number, limitBytes: number, onOver: (rssBytes: number) => void): (() => void) => {
  const meter = new ProcessUsageMeter();
  const timer = setInterval(() => {
    const { rssBytes } = meter.sample([pid]);
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
