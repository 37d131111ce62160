/** What a state means to whoever watches: the colour of its lamp. */
export type Tone = 'ok' | 'active' | 'waiting' | 'warning' | 'error';

const TONES: Record<Tone, readonly string[]> = {
  ok: ['online', 'FINISHED', 'PASSED', 'SUCCEEDED', 'ALREADY_INSTALLED', 'STAGED', 'COMMITTED', 'REPORTED', 'pass'],
  active: [
    'RUNNING',
    'SOAKING',
    'NOTIFIED',
    'DOWNLOADING',
    'DOWNLOADED',
    'VERIFIED',
    'PREPARING',
    'INSTALLING',
    'PROBATION',
    'CONFIGURED',
    'COLLECTING',
    'AGGREGATING',
    'EVALUATING',
    'SELECTING',
    'WORKING',
    'ACCEPTED',
  ],
  waiting: [
    'offline',
    'DRAFT',
    'READY',
    'SCHEDULED',
    'QUEUED',
    'SKIPPED',
    'CANCELED',
    'REMOVED',
    'not-enough',
    'info',
    'INVITED',
  ],
  warning: [
    'PAUSED',
    'WAITING_FOR_APPROVAL',
    'STOPPING',
    'STOPPED',
    'ROLLING_BACK',
    'ROLLED_BACK',
    'TIMED_OUT',
    'warning',
    'ABANDONED',
    'DECLINED',
    'SILENT',
    'PENDING',
  ],
  error: ['FAILED', 'REJECTED', 'APPROVAL_DENIED', 'fail', 'error', 'REFUSED'],
};

const BY_STATE = new Map(
  Object.entries(TONES).flatMap(([tone, states]) => states.map((state) => [state, tone as Tone] as const)),
);

/** A state that this console does not know is shown, in grey. */
export const toneOf = (state: string): Tone => BY_STATE.get(state) ?? 'waiting';

/** `ROLLING_BACK` → `Rolling back`. */
export const stateWords = (state: string): string => {
  const words = state.toLowerCase().replaceAll(/[_-]/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};
