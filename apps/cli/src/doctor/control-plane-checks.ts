import { ApiError, type Diagnosis } from '@aviary/protocol';
import type { Connection } from '../connection.ts';
import { type Check, failed, passed, wordsOf } from './check.ts';

const MOST_SKEW_MS = 10_000;
const LEAST_FREE_BYTES = 2 ** 30;
const TIMEOUT_MS = 10_000;

/** Whether the API answers, and reaches its database. */
export const checkReady = async (baseUrl: string): Promise<Check> => {
  const advice = 'Start it with: aviary up — or name another with --server. Its log says what it misses.';
  try {
    const answer = await fetch(`${baseUrl}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (answer.ok) return passed('api', `${baseUrl} answers, and reaches its database`);
    return failed('api', `${baseUrl} answers with ${answer.status}: it does not reach its database`, advice);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return failed('api', `${baseUrl} does not answer: ${wordsOf(cause)}`, advice);
  }
};

/** What the control plane says of itself, with how far its clock is from ours (ms; positive: it is ahead). */
export const askDiagnosis = async (
  client: Connection['client'],
): Promise<{ diagnosis: Diagnosis; skewMs: number } | Check> => {
  const asked = Date.now();
  try {
    const diagnosis = await client.showDiagnosis({});
    return { diagnosis, skewMs: diagnosis.now - (asked + Date.now()) / 2 };
  } catch (error) {
    const isRefused = error instanceof ApiError && error.problem.status === 403;
    const advice = isRefused ? 'aviary whoami says as whom you come.' : 'Its log says why.';
    return failed('access', wordsOf(error), advice);
  }
};

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Clock, master key and disk of the control plane. */
export const checkDiagnosis = ({ diagnosis, skewMs }: { diagnosis: Diagnosis; skewMs: number }): Check[] => {
  const { masterKey, blobs } = diagnosis;
  const seconds = (Math.abs(skewMs) / 1000).toFixed(1);
  const clock = `the clock of the control plane is ${seconds} s ${skewMs < 0 ? 'behind' : 'ahead of'} ours`;
  const space = `${gibibytes(blobs.freeBytes)} of ${gibibytes(blobs.totalBytes)} are free for releases`;
  return [
    Math.abs(skewMs) <= MOST_SKEW_MS
      ? passed('clock', clock)
      : failed('clock', clock, 'Synchronise both with a time server: certificates and deadlines depend on it.'),
    masterKey.ok
      ? passed('master-key', masterKey.words)
      : failed('master-key', masterKey.words, 'Restore it from the backup before the control plane is started again.'),
    blobs.freeBytes >= LEAST_FREE_BYTES
      ? passed('blobs', space)
      : failed('blobs', space, 'Make room where the data directory lies; the next push may not fit.'),
  ];
};
