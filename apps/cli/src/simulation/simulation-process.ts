import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  type Labels,
  type SimulationCounts,
  type SimulationOrder,
  type SimulationPlan,
  simulationReportSchema,
} from '@aviary/protocol';

const STOP_DEADLINE_MS = 30_000;
/** Thousands of devices live in one heap. With the usual 16 MB for young objects, half of its time went into collecting them. */
const YOUNG_OBJECTS_MB = 64;

/** The devices' process has ended although nobody asked it to. */
export class SimulationEndedError extends Error {
  readonly code = 'simulation-ended';
}

export interface SimulationListener {
  /** A join token for a device. @throws what the control plane answers */
  token(labels: Labels): Promise<string>;
  /** A few times a second. */
  counts(counts: SimulationCounts): void;
  /** Something of which a person should know. */
  trouble(words: string): void;
}

/** The process that has the devices; it gets its join tokens from here, and never sees with what they were made. */
export class SimulationProcess {
  readonly #child: ChildProcess;
  readonly #listener: SimulationListener;
  /** Resolves when it has ended as it was asked to. Rejects with SimulationEndedError when it ended by itself. */
  readonly ended: Promise<void>;
  #stopping = false;

  constructor(plan: SimulationPlan, listener: SimulationListener) {
    this.#listener = listener;
    const program = fileURLToPath(import.meta.resolve('@aviary/agent/simulation'));
    const child = fork(program, [JSON.stringify(plan)], {
      execArgv: [...process.execArgv, `--max-semi-space-size=${YOUNG_OBJECTS_MB}`],
      // With a log to read, it goes where ours goes.
      stdio: ['ignore', 'ignore', process.env.AVIARY_LOG_LEVEL === undefined ? 'pipe' : 'inherit', 'ipc'],
      // A group of its own, so that Ctrl-C reaches us alone, and the devices say good-bye when we say so.
      detached: true,
    });
    this.#child = child;
    let words = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = `${words}${text}`.slice(-10_000);
    });
    child.on('message', (message) => void this.#hear(message));
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        if (this.#stopping && code === 0) return resolve();
        reject(
          new SimulationEndedError(words.trim() || `The simulated devices ended with ${signal ?? `code ${code}`}.`),
        );
      });
    });
    // Whoever waits for it hears of it.
    this.ended.catch(() => undefined);
  }

  /** Lets all devices say good-bye. @throws SimulationEndedError */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), STOP_DEADLINE_MS);
    try {
      await this.ended;
    } finally {
      clearTimeout(force);
    }
  }

  async #hear(message: unknown): Promise<void> {
    const report = simulationReportSchema.parse(message);
    if (report.kind === 'counts') return this.#listener.counts(report.counts);
    if (report.kind === 'trouble') return this.#listener.trouble(report.words);
    const { device, labels } = report;
    let order: SimulationOrder;
    try {
      order = { kind: 'token', device, token: await this.#listener.token(labels) };
    } catch (error) {
      order = { kind: 'no-token', device, words: error instanceof Error ? error.message : String(error) };
    }
    if (this.#child.connected) this.#child.send(order);
  }
}
