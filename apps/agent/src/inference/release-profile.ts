import type { OperatorReport } from './worker/operator-sums.ts';
import type { EffectiveProvider } from './worker-handle.ts';
import { type WorkerOptions, WorkerProcess } from './worker-process.ts';

/** What a release's operators cost, and on what they ran. */
export interface ReleaseProfile {
  readonly release: string;
  readonly provider: EffectiveProvider;
  readonly report: OperatorReport;
}

/**
 * Measures what each operator of a release costs, in a process of its own beside the one that serves; it is gone when this
 * ends.
 * @param frames pictures of the release's own suite, run one after the other
 * @throws WorkerStartError; WorkerLostError; InferenceError `profile-failed-to-run`; the signal's reason
 */
export async function profileRelease(
  options: WorkerOptions & { readonly profileFolder: string },
  frames: number,
  signal: AbortSignal,
): Promise<ReleaseProfile> {
  signal.throwIfAborted();
  const worker = new WorkerProcess(options, undefined);
  const breakOff = (): void => void worker.stop();
  signal.addEventListener('abort', breakOff, { once: true });
  try {
    const { release, provider } = await worker.start();
    try {
      return { release, provider, report: await worker.profile(frames) };
    } finally {
      await worker.stop();
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', breakOff);
  }
}
