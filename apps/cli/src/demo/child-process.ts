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
}

/** Runs a program to its end. @throws ProgramError with what it said on standard error. */
export const runToEnd = (
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve(output);
      else reject(new ProgramError(`${args[0]} ended with exit code ${code}: ${errors.trim() || output.trim()}`));
    });
  });

/** A program that stays, with its standard error in a file. It ends with us: its standard input is ours to close. */
export class StayingProcess {
  readonly name: string;
  readonly logPath: string;
  private readonly child: ChildProcess;
  /** Set once it has ended. */
  ended: string | undefined;

  constructor(
    name: string,
    program: string,
    args: readonly string[],
    logPath: string,
    environment: NodeJS.ProcessEnv = {},
  ) {
    this.name = name;
    this.logPath = logPath;
    this.child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'ignore', 'pipe'],
      // A group of its own, so that Ctrl-C reaches us alone and everything is stopped in order.
      detached: true,
    });
    this.child.stderr?.pipe(createWriteStream(logPath, { flags: 'a' }));
    this.child.once('exit', (code, signal) => {
      this.ended = signal ?? `exit code ${code}`;
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** Asks it to end, and forces it after a deadline. */
  async stop(): Promise<void> {
    if (this.ended !== undefined) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    const force = setTimeout(() => this.child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await gone;
    clearTimeout(force);
  }
}
