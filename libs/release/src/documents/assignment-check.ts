import { splitReleaseName } from '../release-name.ts';
import type { VariantTarget } from '../tuf/release-targets.ts';
import type { Assignment } from './assignment.ts';

export type RefusalCode =
  | 'wrong-device'
  | 'wrong-epoch'
  | 'replayed'
  | 'expired'
  | 'statement-mismatch'
  | 'wrong-model'
  | 'wrong-profile'
  | 'below-floor'
  | 'unknown-target'
  | 'agent-too-old';

export interface AssignmentContext {
  /** Already verified against the director's keys. */
  readonly assignment: Assignment;
  /** The target that it names, as the image repository has it now; undefined when it has no such target. */
  readonly variant: VariantTarget | undefined;
  /** Who this device is, from its own certificate. */
  readonly deviceId: string;
  readonly epoch: number;
  /** Highest sequence accepted in this epoch; 0 before the first. */
  readonly lastSequence: number;
  /** The model lines the device was enrolled for; absent: any. */
  readonly models?: readonly string[];
  /** The firmware profile that this device finds itself to be; null when none fits. */
  readonly profile: string | null;
  /** The device's own floor: the highest `rollbackFloor` of what it ever committed. */
  readonly rollbackFloor: number;
  /** Version of the agent; absent: not compared with `minAgent`. */
  readonly agentVersion?: string;
  /** Milliseconds since 1970, not before the device's persisted time floor. */
  readonly now: number;
}

export type AssignmentCheck =
  | { readonly status: 'accepted'; readonly variant: VariantTarget }
  /**
   * The sequence is the one already accepted, and so is what it names: a release that was revoked since is stopped
   * otherwise, or not at all. `expired` only says that nothing new may be installed by it; it never stops what runs.
   */
  | { readonly status: 'unchanged'; readonly expired: boolean }
  | { readonly status: 'refused'; readonly code: RefusalCode; readonly message: string };

/**
 * Whether a device may act on an assignment. Pure: says nothing of signatures, which `verifyAssignment` and the image
 * repository's client checked before. The first reason found is given, identity before time before content.
 */
export function checkAssignment(context: AssignmentContext): AssignmentCheck {
  const { assignment, variant, now } = context;
  if (assignment.deviceId !== context.deviceId) {
    return refuse('wrong-device', `the assignment is for ${assignment.deviceId}, this device is ${context.deviceId}`);
  }
  if (assignment.epoch !== context.epoch) {
    return refuse('wrong-epoch', `the assignment is of epoch ${assignment.epoch}, this device is in ${context.epoch}`);
  }
  if (assignment.sequence < context.lastSequence) {
    return refuse(
      'replayed',
      `the assignment's sequence is ${assignment.sequence}, but ${context.lastSequence} was already accepted`,
    );
  }
  const expired = now >= assignment.expires;
  if (assignment.sequence === context.lastSequence) return { status: 'unchanged', expired };
  if (expired) {
    return refuse(
      'expired',
      `the assignment expired at ${iso(assignment.expires)} and it is ${iso(now)}; ask the control plane again`,
    );
  }
  if (variant === undefined) {
    return refuse(
      'unknown-target',
      `${assignment.targetPath} is not among the targets that the publisher signed; it was revoked, or never published`,
    );
  }
  const { release, target } = variant;
  if (assignment.release !== release.release || assignment.releaseCounter !== release.releaseCounter) {
    return refuse(
      'statement-mismatch',
      `the assignment names ${assignment.release} (counter ${assignment.releaseCounter}), the publisher signed ${release.release} (counter ${release.releaseCounter})`,
    );
  }
  if (target.variant !== assignment.variant) {
    return refuse(
      'statement-mismatch',
      `the assignment calls ${target.path} variant ${assignment.variant}, the publisher signed it as ${target.variant}`,
    );
  }
  const { model } = splitReleaseName(release.release);
  if (context.models !== undefined && !context.models.includes(model)) {
    return refuse(
      'wrong-model',
      `the release is of model ${model}, this device was enrolled for ${context.models.join(', ')}`,
    );
  }
  if (context.profile === null || !target.profiles.includes(context.profile)) {
    return refuse(
      'wrong-profile',
      `${target.path} is for ${target.profiles.join(', ')}, this device is ${context.profile ?? 'none of the profiles that are known'}`,
    );
  }
  if (release.releaseCounter < context.rollbackFloor) {
    return refuse(
      'below-floor',
      `${release.release} has counter ${release.releaseCounter}, this device's floor is ${context.rollbackFloor}`,
    );
  }
  if (context.agentVersion !== undefined && compareVersions(context.agentVersion, release.minAgent) < 0) {
    return refuse(
      'agent-too-old',
      `${release.release} needs agent ${release.minAgent} or newer, this is ${context.agentVersion}; update the agent`,
    );
  }
  return { status: 'accepted', variant };
}

function refuse(code: RefusalCode, message: string): AssignmentCheck {
  return { status: 'refused', code, message };
}

function iso(milliseconds: number): string {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? `${milliseconds} ms` : date.toISOString();
}

/** Order of two semantic versions (semver.org, 11). Build metadata does not count. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => {
    const [core = '', ...pre] = (version.split('+')[0] ?? '').split('-');
    return { core: core.split('.').map(Number), pre: pre.length ? pre.join('-').split('.') : [] };
  });
  if (!left || !right) return 0;
  for (let i = 0; i < 3; i++) {
    const difference = (left.core[i] ?? 0) - (right.core[i] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.pre.length === 0 || right.pre.length === 0) return right.pre.length - left.pre.length;
  for (let i = 0; i < Math.max(left.pre.length, right.pre.length); i++) {
    const [x, y] = [left.pre[i], right.pre[i]];
    if (x === undefined) return -1;
    if (y === undefined) return 1;
    const [numericX, numericY] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (numericX && numericY && Number(x) !== Number(y)) return Number(x) - Number(y);
    if (numericX !== numericY) return numericX ? -1 : 1;
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}
