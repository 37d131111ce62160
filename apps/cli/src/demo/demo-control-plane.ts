import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type AdminClient, connect } from '../connection.ts';
import { programOf, StayingProcess } from './child-process.ts';

const READY_TIMEOUT_MS = 60_000;
/** It stops its own processes in order, PostgreSQL last, each with a deadline of its own. */
const STOP_DEADLINE_MS = 30_000;

export interface DemoPorts {
  readonly http: number;
  readonly device: number;
  readonly mqtt: number;
}

/** The demo's control plane: the real one, as a process of its own, with its data in the demo's directory. */
export class DemoControlPlane {
  readonly #directory: string;
  readonly #ports: DemoPorts;
  readonly #log: string;
  #process: StayingProcess | undefined;

  constructor(directory: string, ports: DemoPorts) {
    this.#directory = directory;
    this.#ports = ports;
    this.#log = join(directory, 'demo', 'control-plane.log');
  }

  get address(): string {
    return `http://127.0.0.1:${this.#ports.http}`;
  }

  /** Empties the directory, starts, and waits until it answers. @throws Error with its last words when it does not */
  async start(signal: AbortSignal): Promise<AdminClient> {
    await this.#prepareDirectory();
    const { http, device, mqtt } = this.#ports;
    const ports = ['--http-port', `${http}`, '--device-port', `${device}`, '--mqtt-port', `${mqtt}`];
    const args = ['all', '--data', this.#directory, ...ports];
    signal.throwIfAborted();
    this.#process = new StayingProcess('control plane', programOf('@aviary/control-plane'), args, this.#log);
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (!(await this.#isReady())) {
      if (this.#process.ended !== undefined || Date.now() > deadline) throw await this.#failure();
      await pause(100, undefined, { signal });
    }
    const { client } = await connect({ server: this.address, tokenFile: join(this.#directory, 'admin.token') });
    return client;
  }

  async stop(): Promise<void> {
    await this.#process?.stop(STOP_DEADLINE_MS);
  }

  /** What a demo left is emptied; anything else is somebody's. */
  async #prepareDirectory(): Promise<void> {
    const found = await readdir(this.#directory).catch(() => []);
    if (found.length > 0 && (await stat(this.#log).catch(() => undefined)) === undefined) {
      throw new Error(
        `Expected a new directory, or one of an earlier demo, got ${resolve(this.#directory)}. Choose another with --data.`,
      );
    }
    await rm(this.#directory, { recursive: true, force: true });
    await mkdir(join(this.#directory, 'demo'), { recursive: true });
    await writeFile(this.#log, '');
  }

  async #isReady(): Promise<boolean> {
    const answer = await fetch(`${this.address}/readyz`).catch(() => undefined);
    return answer?.ok === true;
  }

  async #failure(): Promise<Error> {
    const how = this.#process?.ended ?? `not ready within ${READY_TIMEOUT_MS / 1000} s`;
    const words = (await readFile(this.#log, 'utf8').catch(() => '')).trim().split('\n').slice(-3).join('\n');
    return new Error(`The control plane did not start (${how}). Its last words, of ${this.#log}:\n${words}`);
  }
}
