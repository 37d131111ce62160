import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { connect } from 'node:net';
import { runPeer } from './peer.ts';

const PROGRAM = '/usr/sbin/mosquitto';
const CONFIGURATION = 'mosquitto.conf';

/** Debian's Mosquitto, with a folder that `aviary broker config` has written. */
export class TestMosquitto {
  #child: ChildProcess | undefined;

  readonly folder: string;
  readonly #port: number;
  readonly #logPath: string;

  /** @param folder written by `aviary broker config` */
  constructor(folder: string, port: number, logPath: string) {
    this.folder = folder;
    this.#port = port;
    this.#logPath = logPath;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('Mosquitto does not run');
    return this.#child.pid;
  }

  /** Starts it, again if it was killed, and waits until it listens. */
  async start(): Promise<void> {
    // Started as root it becomes a user of its own, to whom the folder has to belong, as the docs say.
    if (process.getuid?.() === 0) {
      await runPeer('chown', ['-R', 'mosquitto:', this.folder], 'mosquitto');
      await chmod(this.folder, 0o700);
    }
    const child = spawn(PROGRAM, ['-c', `${this.folder}/${CONFIGURATION}`], { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.pipe(createWriteStream(this.#logPath, { flags: 'a' }));
    this.#child = child;
    const ended = new Promise<never>((_, reject) => {
      child.once('error', () => reject(new Error(`This needs ${PROGRAM}. Install it: apt-get install mosquitto`)));
      child.once('exit', (code) => reject(new Error(`Mosquitto ended with ${code}; see ${this.#logPath}`)));
    });
    ended.catch(() => undefined);
    await Promise.race([this.#listens(), ended]);
  }

  /** Lets it read its access list again. */
  reload(): void {
    this.#child?.kill('SIGHUP');
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  async #listens(): Promise<void> {
    for (;;) {
      const open = await new Promise<boolean>((resolve) => {
        const socket = connect(this.#port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
        socket.unref().once('connect', () => socket.destroy());
      });
      if (open) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
