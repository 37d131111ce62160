import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { fileURLToPath } from 'node:url';

const STOP_DEADLINE_MS = 10_000;

/** The program of another app: found as a package, started as a process, never imported. */
export const programOf = (name: '@aviary/control-plane' | '@aviary/agent'): string =>
  fileURLToPath(import.meta.resolve(`${name}/bin`));

/** A program ended that should have stayed, or answered with an error. */
export class ProgramError extends Error {
  readonly code = 'program-failed';
  /** What it had said on standard output until then. */
  readonly output: string;

  constructor(message: string, output = '') {
    super(message);
    this.output = output;
  }
}

/**
 * Runs a program to its end.
 * @param environment beside our own
 * @param signal ends it before its time
 * @returns what it said on standard output
 * @throws ProgramError with what it said on standard error; the signal's reason once the program has gone for it
 */
export const runToEnd = (
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  signal?: AbortSignal,
): Promise<string> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that Ctrl-C reaches us alone, and what we started is ended by us.
      detached: true,
    });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const end = () => child.kill('SIGTERM');
    signal?.addEventListener('abort', end);
    child.once('error', reject);
    child.once('close', (code, killed) => {
      signal?.removeEventListener('abort', end);
      const how = killed === null ? `exit code ${code}` : killed;
      if (signal?.aborted === true) reject(signal.reason);
      else if (code === 0) resolve(output);
      else reject(new ProgramError(`${args[0]} ended with ${how}: ${errors.trim() || output.trim()}`, output));
    });
  });

/** A program that stays until it is stopped, with its standard error in a file. */
export class StayingProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  #ended: string | undefined;

  /** Starts the program. */
  constructor(
    name: string,
    program: string,
    args: readonly string[],
    logPath: string,
    environment: NodeJS.ProcessEnv = {},
  ) {
    this.name = name;
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    child.stderr.pipe(createWriteStream(logPath, { flags: 'a' }));
    this.#child = child;
    this.#gone = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#ended = error.message;
        resolve();
      });
      child.once('exit', (code, signal) => {
        this.#ended = signal ?? `exit code ${code}`;
        resolve();
      });
    });
  }

  /** How it ended, once it has. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** -1 when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Asks it to end, and forces it after a deadline. */
  async stop(deadlineMs = STOP_DEADLINE_MS): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), deadlineMs);
    await this.#gone;
    clearTimeout(force);
  }
}
