import { type ChildProcess, spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { LineReader } from '../line-reader.ts';
import { networkFence } from '../network-fence.ts';
import { minimalEnvironment } from '../worker-fence.ts';
import type { SidecarManifest } from './sidecar-manifest.ts';
import { SIDECAR_DESCRIPTOR } from './sidecar-messages.ts';

const STOP_PATIENCE_MS = 2_000;
/** Its last words may still be on their way when it is gone; a process that it has started may hold its pipes for ever. */
const LAST_WORDS_MS = 200;
/** So many of its last lines are told when it ends by itself. */
const REMEMBERED_LINES = 3;

/** How a sidecar is started. */
export type SidecarCommand = Pick<SidecarManifest, 'command' | 'environment' | 'folder'>;

/**
 * A sidecar's process. It has no network, where the kernel allows that, and nothing of the agent's environment; what it
 * says on its standard output and error is for people.
 */
export class SidecarProcess {
  /** Resolves once, with one sentence, when the process is gone. Never rejects. */
  readonly exited: Promise<string>;
  /** The agent's end of the socket; destroy it where somebody else has it. */
  readonly socket: Duplex;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];

  /** @param onLog called with each line that it says */
  constructor({ command, environment, folder }: SidecarCommand, onLog: (line: string) => void = () => undefined) {
    const [program, ...args] = [...networkFence().command, ...command];
    const env = { ...minimalEnvironment(process.env, ['PATH']), ...environment };
    this.#child = spawn(program ?? '', args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
    const socket = this.#child.stdio[SIDECAR_DESCRIPTOR];
    // A child without its pipes could not be started; `error` says why.
    this.socket = socket instanceof Duplex ? socket : new Duplex({ read: () => undefined }).destroy();
    this.socket.on('error', () => undefined);
    const lines = new LineReader((line) => {
      this.#lines.push(line);
      if (this.#lines.length > REMEMBERED_LINES) this.#lines.shift();
      onLog(line);
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => lines.push(chunk));
    }
    const { promise, resolve } = Promise.withResolvers<string>();
    this.exited = promise;
    this.#child.once('error', (error) => resolve(`the sidecar could not be started: ${error.message}`));
    this.#child.once('exit', (code, signal) => {
      const tell = (): void => {
        clearTimeout(patience);
        lines.end();
        const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
        const said = this.#lines.length === 0 ? '' : `: ${this.#lines.join(' / ')}`;
        resolve(`the sidecar ended (${how})${said}`);
      };
      const patience = setTimeout(tell, LAST_WORDS_MS);
      this.#child.once('close', tell);
    });
  }

  /** 0 where it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Ends it at once. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Its connection is closed: it has so long to end by itself. Resolves when it is gone. */
  async end(): Promise<void> {
    this.socket.destroy();
    const patience = setTimeout(() => this.kill(), STOP_PATIENCE_MS);
    await this.exited;
    clearTimeout(patience);
  }
}
