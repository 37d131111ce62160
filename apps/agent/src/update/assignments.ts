import { ApiError, type AssignmentResponse, deviceRoutes } from '@aviary/protocol';
import {
  type Assignment,
  checkAssignment,
  DsseError,
  TufError,
  type VariantTarget,
  verifyAssignment,
} from '@aviary/release';
import { updateWindowSchema } from '@aviary/rollout';
import type { Identity } from '../identity/identity.ts';
import type { DeviceApi } from '../link/device-api.ts';
import type { AssignedRelease, Journal, JournalState } from '../state/journal.ts';
import type { Allowed, FleetTrust } from '../trust/fleet-trust.ts';
import { AGENT_VERSION } from '../version.ts';

/** How long what is allowed counts without being asked for, while nothing new is assigned. */
const TRUSTED_FOR_MS = 3_600_000;

/** A document that this device does not act on. */
export interface Refusal {
  readonly found: 'refused';
  readonly code: string;
  readonly message: string;
  /** The execution that ends with it: only when the director vouches for it, and trying again cannot help. */
  readonly executionId: string | undefined;
}

export type Finding =
  | { readonly found: 'assigned'; readonly release: AssignedRelease }
  | { readonly found: 'same' }
  | Refusal;

/** Refusals that time or another answer may heal. */
const PASSING: ReadonlySet<string> = new Set(['expired', 'replayed', 'wrong-device', 'wrong-epoch']);

/** Pulls what this device should run, and believes nothing but signatures. */
export class Assignments {
  readonly #api: Pick<DeviceApi, 'call'>;
  readonly #trust: Pick<FleetTrust, 'since'>;
  readonly #identity: Pick<Identity, 'deviceId' | 'epoch' | 'models'>;
  readonly #profile: string | null;
  readonly #journal: Journal;
  #trustedFrom = Number.NEGATIVE_INFINITY;

  /** @param profile id of the firmware profile that this board is; null when none fits */
  constructor(
    api: Pick<DeviceApi, 'call'>,
    trust: Pick<FleetTrust, 'since'>,
    identity: Pick<Identity, 'deviceId' | 'epoch' | 'models'>,
    profile: string | null,
    journal: Journal,
  ) {
    this.#api = api;
    this.#trust = trust;
    this.#identity = identity;
    this.#profile = profile;
    this.#journal = journal;
  }

  /** Somebody says that what is allowed has changed: it is asked for at the next look. */
  distrust(): void {
    this.#trustedFrom = performance.now();
  }

  /**
   * Looks what is assigned, and takes a new one into the journal.
   * @throws when the control plane was not reached
   */
  async look(): Promise<Finding> {
    const begun = performance.now();
    try {
      const answer = await this.#ask();
      // Also where nothing is assigned: what runs may have to stop.
      let allowed = await this.#trust.since(Math.max(begun - TRUSTED_FOR_MS, this.#trustedFrom));
      if (answer === undefined) return { found: 'same' };
      let assignment: Assignment;
      try {
        assignment = verifyAssignment(answer.assignment, allowed.directorKeys);
      } catch (error) {
        if (!(error instanceof DsseError)) throw error;
        // The director's keys may have been replaced since.
        allowed = await this.#trust.since(begun);
        assignment = verifyAssignment(answer.assignment, allowed.directorKeys);
      }
      // Nothing new begins on what was allowed some time ago.
      if (assignment.sequence !== this.#journal.state.sequence) allowed = await this.#trust.since(begun);
      return await this.#take(assignment, allowed);
    } catch (error) {
      if (!(error instanceof DsseError || error instanceof TufError)) throw error;
      return { found: 'refused', code: error.code, message: error.message, executionId: undefined };
    }
  }

  async #ask(): Promise<AssignmentResponse | undefined> {
    try {
      return await this.#api.call(deviceRoutes.assignment, {});
    } catch (error) {
      // Nothing was ever assigned to this device.
      if (error instanceof ApiError && error.problem.status === 404) return undefined;
      throw error;
    }
  }

  async #take(assignment: Assignment, allowed: Allowed): Promise<Finding> {
    let finding: Finding = { found: 'same' };
    const variant = allowed.variant(assignment.targetPath);
    await this.#journal.update((state) => {
      const check = this.#check(assignment, variant, state);
      if (check.status === 'unchanged') return undefined;
      if (check.status === 'refused') {
        const { code, message } = check;
        finding = {
          found: 'refused',
          code,
          message,
          executionId: PASSING.has(code) ? undefined : assignment.executionId,
        };
        return undefined;
      }
      const release = assignedRelease(assignment, check.variant);
      finding = { found: 'assigned', release };
      const { committed, staged } = state;
      return {
        sequence: assignment.sequence,
        candidate: { release, stage: 'assigned', probationStarts: 0, allowedUntil: allowed.expires },
        // What runs is assigned again once another one is staged: that is no other wish.
        staged: release.digest === staged?.digest || release.digest === committed?.digest ? staged : null,
        // Whoever assigns a release anew has thought about it.
        quarantined: state.quarantined.filter((digest) => digest !== release.digest),
        // Whoever signs assignments cannot move this clock past what the publisher has signed for.
        timeFloor: Math.max(state.timeFloor, Math.min(assignment.issuedAt, allowed.expires)),
      };
    });
    return finding;
  }

  #check(
    assignment: Assignment,
    variant: VariantTarget | undefined,
    state: Readonly<JournalState>,
  ): ReturnType<typeof checkAssignment> | UnreadableWindow {
    const check = checkAssignment({
      assignment,
      variant,
      deviceId: this.#identity.deviceId,
      epoch: this.#identity.epoch,
      ...(this.#identity.models === undefined ? {} : { models: this.#identity.models }),
      lastSequence: state.sequence,
      profile: this.#profile,
      rollbackFloor: state.rollbackFloor,
      agentVersion: AGENT_VERSION,
      // A clock before what was signed is wrong: boards without one wake up in 1970.
      now: Math.max(Date.now(), state.timeFloor),
    });
    return check.status === 'accepted' ? (unreadableWindow(assignment) ?? check) : check;
  }
}

interface UnreadableWindow {
  readonly status: 'refused';
  readonly code: 'window-unreadable';
  readonly message: string;
}

/** A window that this agent cannot read it could not keep to either. */
const unreadableWindow = ({ terms }: Assignment): UnreadableWindow | undefined => {
  if (terms?.window === undefined) return undefined;
  const { success, error } = updateWindowSchema.safeParse(terms.window);
  if (success) return undefined;
  const message = `the window of the assignment: ${error.issues.map((issue) => issue.message).join('; ')}`;
  return { status: 'refused', code: 'window-unreadable', message };
};

const assignedRelease = (assignment: Assignment, { release, target }: VariantTarget): AssignedRelease => ({
  release: release.release,
  variant: target.variant,
  runtime: target.runtime,
  format: target.format,
  releaseCounter: release.releaseCounter,
  rollbackFloor: release.rollbackFloor,
  sha256: target.sha256,
  length: target.length,
  digest: target.plaintextSha256,
  ageHeader: assignment.ageHeader,
  targetPath: target.path,
  publisherKey: release.publisherKey,
  executionId: assignment.executionId,
  probation: assignment.probation,
  ...(assignment.terms === undefined ? {} : { terms: assignment.terms }),
});
