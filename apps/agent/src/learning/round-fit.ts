import type { RoundTask } from '@aviary/protocol';

/** What a device has to offer to a round. */
export interface Offer {
  /** Of the release that serves; null when none does, `untrainable` when its head cannot be trained. */
  readonly serving:
    | { readonly release: string; readonly backbone: string; readonly base: string }
    | 'untrainable'
    | null;
  /** What serves has proven itself on this device. */
  readonly committed: boolean;
  /** Labelled samples of its backbone, with labels of its release. */
  readonly samples: number;
}

export type Fit =
  | { readonly fits: 'yes' }
  /** It may soon: something is just being brought up, or on probation. */
  | { readonly fits: 'not-yet'; readonly reason: string }
  | { readonly fits: 'no'; readonly code: string; readonly reason: string };

const no = (code: string, reason: string): Fit => ({ fits: 'no', code, reason });

/**
 * Whether the device does its part in a round. Pure.
 * @param now ms since 1970
 */
export const fitTask = (task: RoundTask, { serving, committed, samples }: Offer, now: number): Fit => {
  if (now >= task.deadlineAt) return no('deadline-past', 'the task came after its own deadline');
  if (serving === null) return { fits: 'not-yet', reason: 'no release serves now' };
  if (serving === 'untrainable') return no('release-not-trainable', 'the release that serves has no head to train');
  if (serving.backbone !== task.backbone) {
    return no(
      'backbone-other',
      `${serving.release} serves, whose backbone is ${short(serving.backbone)}, not ${short(task.backbone)}`,
    );
  }
  if (serving.base !== task.base) {
    return no(
      'base-stale',
      `${serving.release} serves with the head ${short(serving.base)}, the round starts from ${short(task.base)}`,
    );
  }
  if (!committed) return { fits: 'not-yet', reason: `${serving.release} is on probation` };
  const least = Math.max(1, task.minSamples);
  if (samples < least)
    return no('samples-few', `expected ${least} labelled samples or more, the device has ${samples}`);
  return { fits: 'yes' };
};

const short = (digest: string): string => digest.slice(0, 12);
