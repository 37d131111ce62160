import type { Logger } from 'pino';
import { DeviceErrand } from '../link/device-errand.ts';
import type { AssignedRelease } from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { Assignments, Refusal } from './assignments.ts';

/** Looks for an assignment when somebody rings, at each connection, and now and then: a bell can be missed. */
export class AssignmentWatch {
  readonly #assignments: Assignments;
  readonly #reporter: Pick<Reporter, 'event' | 'execution'>;
  readonly #onAssigned: (release: AssignedRelease) => void;
  readonly #log: Logger;
  readonly #errand: DeviceErrand;
  #lastRefusal = '';

  constructor(
    assignments: Assignments,
    reporter: Pick<Reporter, 'event' | 'execution'>,
    onAssigned: (release: AssignedRelease) => void,
    pollMs: number,
    log: Logger,
  ) {
    this.#assignments = assignments;
    this.#reporter = reporter;
    this.#onAssigned = onAssigned;
    this.#log = log;
    this.#errand = new DeviceErrand({
      run: (signal) => this.#lookOnce(signal),
      pollMs,
      failed: 'what is assigned could not be asked; it is asked again',
      log,
    });
  }

  /** Looks at once, or once more after the look that is under way. */
  look(): void {
    this.#errand.look();
  }

  /** Looks no more; what a look under way finds is not taken up. */
  stop(): void {
    void this.#errand.stop();
  }

  async #lookOnce(signal: AbortSignal): Promise<void> {
    const finding = await this.#assignments.look();
    // What was accepted is in the journal, and taken up at the next start.
    if (signal.aborted) return;
    if (finding.found === 'refused') {
      await this.#refuse(finding);
    } else if (finding.found === 'assigned') {
      const { release, executionId } = finding.release;
      this.#log.info({ release, executionId }, 'a new assignment');
      this.#onAssigned(finding.release);
    }
  }

  /** Says it once, not at every look. */
  async #refuse({ code, message, executionId }: Refusal): Promise<void> {
    // How late it is changes with every look, and is no news.
    const words = `${code} ${executionId} ${code.endsWith('expired') ? '' : message}`;
    if (words === this.#lastRefusal) return;
    this.#lastRefusal = words;
    await this.#reporter.event('error', 'assignment-refused', `${code}: ${message}`);
    if (executionId !== undefined) {
      await this.#reporter.execution({ executionId, state: 'REJECTED', reason: { code, message } });
    }
  }
}
