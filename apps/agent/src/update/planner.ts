import type { ShadowTerms } from '@aviary/release';
import type { AssignedRelease, Candidate, HeldRelease } from '../state/journal.ts';
import type { Hold } from './hold.ts';

/** What the device has at this moment. */
export interface Current {
  readonly committed: HeldRelease | null;
  readonly previous: HeldRelease | null;
  /** Digest of the release whose worker serves now; null when none does. */
  readonly serving: string | null;
  /** Digest of the release whose worker stands ready and has passed admission; null when none does. */
  readonly admitted: string | null;
}

/** What limits the choice. */
export interface Context {
  /** Executions that have ended on this device. */
  readonly ended: readonly string[];
  /** Digests of releases that were tried and cannot serve: damaged, or their workers keep dying. */
  readonly unservable: readonly string[];
  /** Digests of releases that the publisher has stopped: they serve nobody, whatever else there is. */
  readonly stopped: readonly string[];
  /** No release with a lower counter may serve as a replacement. */
  readonly rollbackFloor: number;
  /** What keeps the device from switching to what is assigned; null: nothing. */
  readonly hold: Hold | null;
  /** Digest of the release that needs the memory of what would serve, to prove itself; null: none does. */
  readonly alone: string | null;
  /** Digest of the release of which something has to be built on this device before it is tried; null: none. */
  readonly unprepared: string | null;
}

/** One thing to do. Each is done completely, and durably, before the next is planned. */
export type Step =
  /** Let a proven release serve: after a start, a crash, or a candidate that failed. */
  | { readonly kind: 'serve'; readonly release: HeldRelease }
  /** End what serves: it failed, and there is nothing to go back to. */
  | { readonly kind: 'stop' }
  /** Get the sealed bytes. */
  | { readonly kind: 'fetch'; readonly target: AssignedRelease }
  /** It was only to be fetched: see that it opens here, keep it, and say so. */
  | { readonly kind: 'stage'; readonly target: AssignedRelease }
  /** Wait: it must not switch yet. Nothing follows it. */
  | { readonly kind: 'hold'; readonly target: AssignedRelease; readonly hold: Hold }
  /** Open and verify it, and build what its runtime loads in the place of its models. */
  | { readonly kind: 'prepare'; readonly target: AssignedRelease }
  /** Open, verify, load, and run the acceptance suite on this device. */
  | { readonly kind: 'admit'; readonly target: AssignedRelease }
  /** Let it run beside what serves, on the same frames, and compare. */
  | { readonly kind: 'shadow'; readonly target: AssignedRelease; readonly terms: ShadowTerms }
  /** Let the candidate serve, on probation. */
  | { readonly kind: 'switch'; readonly target: AssignedRelease }
  | { readonly kind: 'probation'; readonly target: AssignedRelease }
  /** What is assigned is what was proven here before, and serves: say so. */
  | { readonly kind: 'confirm'; readonly target: AssignedRelease };

/**
 * What has to be done to get from what is to what is wanted; empty when nothing has. Pure: data in, data out.
 *
 * A proven release serves first, whatever is to come, so that a device is never blind for the sake of an update; and
 * what is neither proven nor wanted any more does not go on serving. Only a release that finds no memory beside it proves
 * itself alone. A device with nothing proven to serve waits for
 * nobody: there is nothing that a switch would disturb.
 */
export const plan = (
  current: Current,
  target: Pick<Candidate, 'release' | 'stage' | 'shadow'> | null,
  context: Context,
): Step[] => {
  const { committed, serving, admitted } = current;
  const proven = provenRelease(current, context);
  const isStopped = (digest: string | undefined): boolean => digest !== undefined && context.stopped.includes(digest);
  const isOver = target === null || context.ended.includes(target.release.executionId);
  const wanted = isOver || isStopped(target.release.digest) ? null : target;
  const serve: Step[] = proven !== null && serving !== proven.digest ? [{ kind: 'serve', release: proven }] : [];

  const isStray = proven === null && serving !== null && (serving !== committed?.digest || isStopped(serving));

  if (wanted === null) {
    if (proven !== null) return serve;
    if (isStray) return [{ kind: 'stop' }];
    // Nothing that can serve is left: the committed release is what there is to try, again and again.
    return committed === null || serving !== null || isStopped(committed.digest)
      ? []
      : [{ kind: 'serve', release: committed }];
  }
  const { release, stage } = wanted;
  if (release.digest === proven?.digest && release.digest === committed?.digest) {
    return [...serve, { kind: 'confirm', target: release }];
  }
  const fetch: Step[] = stage === 'assigned' ? [{ kind: 'fetch', target: release }] : [];
  if (release.terms?.mode === 'download-only') {
    return [...serve, ...(isStray ? [{ kind: 'stop' } as const] : []), ...fetch, { kind: 'stage', target: release }];
  }
  const isAlone = context.alone === release.digest && context.hold === null;
  const steps = [...(serving === release.digest || isAlone ? [] : serve), ...fetch];
  if (context.hold !== null && proven !== null && serving !== release.digest) {
    return [...steps, { kind: 'hold', target: release, hold: context.hold }];
  }
  if (admitted !== release.digest && serving !== release.digest) {
    if (context.unprepared === release.digest) steps.push({ kind: 'prepare', target: release });
    steps.push({ kind: 'admit', target: release });
  }
  const terms = release.terms?.shadow;
  // What came of it is in the journal: after a restart it is admitted anew, and not run in shadow once more.
  if (terms !== undefined && wanted.shadow === undefined && serving !== release.digest) {
    steps.push({ kind: 'shadow', target: release, terms });
  }
  if (serving !== release.digest || stage !== 'probation') steps.push({ kind: 'switch', target: release });
  steps.push({ kind: 'probation', target: release });
  return steps;
};

/** What may serve without further proof: the committed release, or in its place the one before. */
const provenRelease = (
  { committed, previous }: Current,
  { unservable, stopped, rollbackFloor }: Context,
): HeldRelease | null => {
  for (const release of [committed, previous]) {
    if (release === null || unservable.includes(release.digest) || stopped.includes(release.digest)) continue;
    if (release === committed || release.releaseCounter >= rollbackFloor) return release;
  }
  return null;
};
