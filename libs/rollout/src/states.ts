/** Words of Eclipse hawkBit's rollouts. */
export const ROLLOUT_STATES = [
  'DRAFT',
  'WAITING_FOR_APPROVAL',
  'APPROVAL_DENIED',
  'READY',
  'RUNNING',
  'PAUSED',
  'FINISHED',
  'STOPPING',
  'STOPPED',
  'ROLLING_BACK',
  'ROLLED_BACK',
] as const;
export type RolloutState = (typeof ROLLOUT_STATES)[number];

export const WAVE_STATES = ['SCHEDULED', 'RUNNING', 'SOAKING', 'PASSED', 'FAILED', 'SKIPPED'] as const;
export type WaveState = (typeof WAVE_STATES)[number];

/** One device's part in a rollout, after AWS IoT Jobs, Mender and hawkBit; in the order in which a device goes on. */
export const EXECUTION_STATES = [
  'QUEUED',
  'NOTIFIED',
  'DOWNLOADING',
  'DOWNLOADED',
  'VERIFIED',
  'PREPARING',
  'INSTALLING',
  'PROBATION',
  'SUCCEEDED',
  'FAILED',
  'REJECTED',
  'TIMED_OUT',
  'ROLLED_BACK',
  'CANCELED',
  'REMOVED',
  'ALREADY_INSTALLED',
  'STAGED',
] as const;
export type ExecutionState = (typeof EXECUTION_STATES)[number];

const ENDED_ROLLOUTS: ReadonlySet<RolloutState> = new Set(['FINISHED', 'STOPPED', 'ROLLED_BACK', 'APPROVAL_DENIED']);
const ENDED_EXECUTIONS: ReadonlySet<ExecutionState> = new Set([
  'SUCCEEDED',
  'FAILED',
  'REJECTED',
  'TIMED_OUT',
  'ROLLED_BACK',
  'CANCELED',
  'REMOVED',
  'ALREADY_INSTALLED',
  'STAGED',
]);

/** Ends at which the device was not brought to the release, for a reason that speaks against the release. */
export const FAILURE_STATES = ['FAILED', 'REJECTED', 'TIMED_OUT', 'ROLLED_BACK'] as const satisfies ExecutionState[];
/** `STAGED`: it was only to be fetched, and is there. */
export const SUCCESS_STATES = ['SUCCEEDED', 'ALREADY_INSTALLED', 'STAGED'] as const satisfies ExecutionState[];

/** Whether nothing moves a rollout any more but a person's `undo`. */
export const isEndedRollout = (state: RolloutState): boolean => ENDED_ROLLOUTS.has(state);

export const isEndedExecution = (state: ExecutionState): boolean => ENDED_EXECUTIONS.has(state);

/** States that only the control plane sets; a device's word for them is not taken. */
const NOT_REPORTED: ReadonlySet<ExecutionState> = new Set(['QUEUED', 'NOTIFIED', 'TIMED_OUT', 'CANCELED', 'REMOVED']);

export type ReportOutcome =
  | { readonly moved: ExecutionState }
  | { readonly ignored: 'ended' | 'unchanged' | 'not-reportable' | 'wrong-digest' | 'not-staging' };

/**
 * What a device's report does to its execution. An ended execution never moves; a device that restarted may report an
 * earlier state again while it has not ended; and success is only believed with the digest of what is running
 * (hawkBit #3185: an install step that returned is no success).
 * To have fetched it is an end only where nothing more was asked for.
 * @param asked what the report says is running, what should be, and whether the release is only to be fetched
 */
export const applyExecutionReport = (
  current: ExecutionState,
  reported: ExecutionState,
  asked: {
    readonly running: string | undefined;
    readonly expected: string | undefined;
    readonly onlyFetches: boolean;
  },
): ReportOutcome => {
  if (isEndedExecution(current)) return { ignored: 'ended' };
  if (NOT_REPORTED.has(reported)) return { ignored: 'not-reportable' };
  if (reported === current) return { ignored: 'unchanged' };
  if (reported === 'STAGED' && !asked.onlyFetches) return { ignored: 'not-staging' };
  const claimsSuccess = reported === 'SUCCEEDED' || reported === 'ALREADY_INSTALLED';
  if (claimsSuccess && (asked.expected === undefined || asked.running !== asked.expected)) {
    return { ignored: 'wrong-digest' };
  }
  return { moved: reported };
};
