import { ApiError, type AssignmentResponse, deviceRoutes } from '@aviary/protocol';
import {
  type Assignment,
  checkAssignment,
  type ReleaseStatement,
  type ReleaseTarget,
  verifyAssignment,
  verifyReleaseStatement,
} from '@aviary/release';
import type { Identity } from '../identity/identity.ts';
import type { DeviceApi } from '../link/device-api.ts';
import type { AssignedRelease, Journal, JournalState } from '../state/journal.ts';
import { AGENT_VERSION } from '../version.ts';

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
  readonly #identity: Identity;
  readonly #journal: Journal;

  constructor(api: Pick<DeviceApi, 'call'>, identity: Identity, journal: Journal) {
    this.#api = api;
    this.#identity = identity;
    this.#journal = journal;
  }

  /**
   * Looks what is assigned, and takes a new one into the journal.
   * @throws when the control plane was not reached
   */
  async look(): Promise<Finding> {
    let answer: AssignmentResponse;
    try {
      answer = await this.#api.call(deviceRoutes.assignment, {});
    } catch (error) {
      // Nothing was ever assigned to this device.
      if (error instanceof ApiError && error.problem.status === 404) return { found: 'same' };
      throw error;
    }
    let assignment: Assignment | undefined;
    let statement: ReleaseStatement;
    try {
      assignment = verifyAssignment(answer.assignment, this.#identity.directorKeys);
      statement = verifyReleaseStatement(answer.statement, this.#identity.publisherKeys);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const code = 'code' in error && typeof error.code === 'string' ? error.code : 'document-invalid';
      return { found: 'refused', code, message: error.message, executionId: assignment?.executionId };
    }
    return this.#take(assignment, statement);
  }

  async #take(assignment: Assignment, statement: ReleaseStatement): Promise<Finding> {
    let finding: Finding = { found: 'same' };
    await this.#journal.update((state) => {
      const check = this.#check(assignment, statement, state);
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
      const release = assignedRelease(assignment, statement, check.target);
      finding = { found: 'assigned', release };
      return {
        sequence: assignment.sequence,
        candidate: { release, stage: 'assigned', probationStarts: 0 },
        // Whoever assigns a release anew has thought about it.
        quarantined: state.quarantined.filter((digest) => digest !== release.digest),
        timeFloor: Math.max(state.timeFloor, assignment.issuedAt),
      };
    });
    return finding;
  }

  #check(assignment: Assignment, statement: ReleaseStatement, state: Readonly<JournalState>) {
    return checkAssignment({
      assignment,
      statement,
      deviceId: this.#identity.deviceId,
      epoch: this.#identity.epoch,
      lastSequence: state.sequence,
      rollbackFloor: state.rollbackFloor,
      agentVersion: AGENT_VERSION,
      // A clock before what was signed is wrong: boards without one wake up in 1970.
      now: Math.max(Date.now(), state.timeFloor),
    });
  }
}

const assignedRelease = (
  assignment: Assignment,
  statement: ReleaseStatement,
  target: ReleaseTarget,
): AssignedRelease => ({
  release: statement.release,
  variant: target.variant,
  releaseCounter: statement.releaseCounter,
  rollbackFloor: statement.rollbackFloor,
  sha256: target.sha256,
  length: target.length,
  digest: target.plaintextSha256,
  ageHeader: assignment.ageHeader,
  executionId: assignment.executionId,
  probation: assignment.probation,
});
