import { ApiError, deviceRoutes } from '@aviary/protocol';
import { checkAssignment, verifyAssignment, verifyReleaseStatement } from '@aviary/release';
import type { Logger } from 'pino';
import type { Identity } from '../identity/identity.ts';
import type { DeviceApi } from '../link/device-api.ts';
import type { AssignedRelease, Journal } from '../state/journal.ts';
import { AGENT_VERSION } from '../version.ts';

/** A document that this device does not act on; said once, and to the control plane. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  /** The execution that it would have begun, when the director's signature vouches for it. */
  readonly executionId: string | undefined;
}

/** Pulls what this device should run, and believes nothing but signatures. */
export class Assignments {
  constructor(
    private readonly api: DeviceApi,
    private readonly identity: Identity,
    private readonly journal: Journal,
    private readonly log: Logger,
  ) {}

  /**
   * Looks what is assigned, and takes a new one into the journal.
   * @returns `changed`, `same`, or why a document was refused
   * @throws when the control plane was not reached
   */
  async look(): Promise<'changed' | 'same' | Refusal> {
    let answer: Awaited<ReturnType<typeof this.pull>>;
    try {
      answer = await this.pull();
    } catch (error) {
      if (error instanceof ApiError && error.code === 'assignment-unknown') return 'same';
      throw error;
    }
    let executionId: string | undefined;
    try {
      const assignment = verifyAssignment(answer.assignment, this.identity.directorKeys);
      executionId = assignment.executionId;
      const statement = verifyReleaseStatement(answer.statement, this.identity.publisherKeys);
      const { state } = this.journal;
      const check = checkAssignment({
        assignment,
        statement,
        deviceId: this.identity.deviceId,
        epoch: this.identity.epoch,
        lastSequence: state.sequence,
        rollbackFloor: state.rollbackFloor,
        agentVersion: AGENT_VERSION,
        // A clock before what was signed is wrong: boards without one wake up in 1970.
        now: Math.max(Date.now(), state.timeFloor),
      });
      if (check.status === 'refused') return { code: check.code, message: check.message, executionId };
      if (check.status === 'unchanged') return 'same';
      const { target } = check;
      const assigned: AssignedRelease = {
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
      };
      await this.journal.update({
        sequence: assignment.sequence,
        target: assigned,
        stage: 'assigned',
        probationStarts: 0,
        timeFloor: Math.max(state.timeFloor, assignment.issuedAt),
      });
      this.log.info({ release: assigned.release, sequence: assignment.sequence }, 'a new assignment');
      return 'changed';
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error;
      return { code: String(error.code), message: error.message, executionId };
    }
  }

  private pull() {
    return this.api.call(deviceRoutes.assignment, {});
  }
}
