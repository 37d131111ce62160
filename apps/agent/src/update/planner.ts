import type { AssignedRelease, HeldRelease } from '../state/journal.ts';

/** What the device has and does at this moment. */
export interface Situation {
  readonly committed: HeldRelease | null;
  /** Digest of the release whose worker serves now; null when none does. */
  readonly serving: string | null;
  /** How far the target has come, as the journal has it. */
  readonly stage: 'assigned' | 'fetched' | 'probation';
  /** Digest of the release that a worker has loaded and that has passed admission in this run of the agent. */
  readonly admitted: string | null;
  /** Executions that have ended on this device. */
  readonly ended: readonly string[];
}

/** One thing to do. Each is done completely, and durably, before the next is planned. */
export type Step =
  /** Bring a release that is on disk to serve, because nothing does: after a start or a crash. */
  | { readonly kind: 'serve'; readonly release: HeldRelease }
  /** Get the sealed bytes. */
  | { readonly kind: 'fetch'; readonly target: AssignedRelease }
  /** Open, verify, load, and run the acceptance suite on this device. */
  | { readonly kind: 'admit'; readonly target: AssignedRelease }
  /** Let the candidate serve, on probation. */
  | { readonly kind: 'switch'; readonly target: AssignedRelease }
  | { readonly kind: 'probation'; readonly target: AssignedRelease }
  /** What is assigned is what was proven here before: say so. */
  | { readonly kind: 'confirm'; readonly target: AssignedRelease };

/**
 * What has to be done to get from the situation to the target; empty when nothing has. Pure: data in, data out. A
 * proven release serves first, whatever is to come, so that a device is never blind for the sake of an update.
 */
export const plan = (situation: Situation, target: AssignedRelease | null): Step[] => {
  const { committed, serving, stage, admitted, ended } = situation;
  const wanted = target !== null && !ended.includes(target.executionId) ? target : null;
  if (wanted === null || wanted.digest === committed?.digest) {
    const steps: Step[] = [];
    if (committed !== null && serving !== committed.digest) steps.push({ kind: 'serve', release: committed });
    if (wanted !== null) steps.push({ kind: 'confirm', target: wanted });
    return steps;
  }
  const steps: Step[] = [];
  if (serving === null && committed !== null) steps.push({ kind: 'serve', release: committed });
  if (stage === 'assigned') steps.push({ kind: 'fetch', target: wanted });
  if (admitted !== wanted.digest) steps.push({ kind: 'admit', target: wanted });
  if (serving !== wanted.digest || stage !== 'probation') steps.push({ kind: 'switch', target: wanted });
  steps.push({ kind: 'probation', target: wanted });
  return steps;
};
