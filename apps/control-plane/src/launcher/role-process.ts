import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { WRONG_SETTINGS } from '../config.ts';

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;
/** A process that lived this long starts its next life with the shortest delay again. */
const HEALTHY_AFTER_MS = 20_000;
const STOP_DEADLINE_MS = 8_000;

const BIN = fileURLToPath(new URL('../../bin/aviary-control-plane.js', import.meta.url));

/** One process of the control plane, started again with exponential back-off whenever it ends by itself. */
export class RoleProcess {
  private child: ChildProcess | undefined;
  private stopping = false;
  private delay = FIRST_DELAY_MS;
  private restart: NodeJS.Timeout | undefined;

  constructor(
    private readonly name: string,
    private readonly args: readonly string[],
    private readonly environment: NodeJS.ProcessEnv,
    private readonly say: (line: string) => void,
    /** Told when it cannot run as it was told to, which it has said itself. */
    private readonly giveUp: () => void,
  ) {}

  start(): void {
    const startedAt = Date.now();
    // The open standard input is the tie: a role ends by itself when its launcher is gone, however that happened.
    const child = spawn(process.execPath, [BIN, 'run', ...this.args], {
      env: { ...this.environment, AVIARY_TIED_TO_STDIN: '1' },
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    this.child = child;
    this.say(`${this.name} runs as process ${child.pid}`);
    child.once('exit', (code, signal) => {
      this.child = undefined;
      if (this.stopping) return;
      if (code === WRONG_SETTINGS) {
        this.giveUp();
        return;
      }
      if (Date.now() - startedAt > HEALTHY_AFTER_MS) this.delay = FIRST_DELAY_MS;
      this.say(`${this.name} ended (${signal ?? `exit code ${code}`}); starting it again in ${this.delay} ms`);
      this.restart = setTimeout(() => this.start(), this.delay);
      this.delay = Math.min(this.delay * 2, LONGEST_DELAY_MS);
    });
  }

  /** Ends the process: asked first, forced after a deadline. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restart);
    const child = this.child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await gone;
    clearTimeout(force);
  }
}
