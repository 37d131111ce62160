import { Backoff } from '@aviary/protocol';
import type { Logger } from 'pino';
import type { AssignedRelease } from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { Assignments, Refusal } from './assignments.ts';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** Looks for an assignment when somebody rings, at each connection, and now and then: a bell can be missed. */
export class AssignmentWatch {
  readonly #assignments: Assignments;
  readonly #reporter: Pick<Reporter, 'event' | 'execution'>;
  readonly #onAssigned: (release: AssignedRelease) => void;
  readonly #pollMs: number;
  readonly #log: Logger;
  readonly #retry = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random);
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #again = false;
  #stopped = false;
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
    this.#pollMs = pollMs;
    this.#log = log;
  }

  /** Looks at once, or once more after the look that is under way. */
  look(): void {
    this.#again = true;
    if (!this.#looking) void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    this.#looking = true;
    clearTimeout(this.#timer);
    // A fleet that was started together does not ask together for ever.
    let pauseMs = this.#pollMs * (0.9 + 0.2 * Math.random());
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#lookOnce();
        this.#retry.reset();
      } catch (error) {
        pauseMs = Math.min(pauseMs, this.#retry.next());
        const words = error instanceof Error ? error.message : String(error);
        this.#log.info({ error: words, pauseMs }, 'what is assigned could not be asked; it is asked again');
      }
    }
    this.#looking = false;
    if (!this.#stopped) this.#timer = setTimeout(() => this.look(), pauseMs);
  }

  async #lookOnce(): Promise<void> {
    const finding = await this.#assignments.look();
    // What was accepted is in the journal, and taken up at the next start.
    if (this.#stopped) return;
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
