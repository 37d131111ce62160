import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runPeer } from './peer.ts';

const PROGRAM = 'swtpm';
const START_SECONDS = 20;

/** A board's TPM 2.0, played by swtpm: its seed lies in a folder and is another one in each. */
export class TestTpm {
  #child: ChildProcess | undefined;

  constructor(readonly folder: string) {}

  /** As tpm2-tools call it. */
  get tcti(): string {
    return `swtpm:path=${this.#socket}`;
  }

  get #socket(): string {
    return join(this.folder, 'socket');
  }

  /** Switches it on, as a board does: what was measured before is forgotten, what was sealed opens. */
  async start(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await rm(this.#socket, { force: true });
    const server = ['--server', `type=unixio,path=${this.#socket}`, '--ctrl', `type=unixio,path=${this.#socket}.ctrl`];
    const args = ['socket', '--tpm2', '--tpmstate', `dir=${this.folder}`, ...server];
    const child = spawn(PROGRAM, [...args, '--flags', 'not-need-init,startup-clear'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.pipe(createWriteStream(`${this.folder}/log`, { flags: 'a' }));
    this.#child = child;
    const ended = new Promise<never>((_, reject) => {
      child.once('error', () => reject(new Error(`This needs ${PROGRAM}. Install it: apt-get install swtpm`)));
      child.once('exit', (code) => reject(new Error(`${PROGRAM} ended with ${code}; see ${this.folder}/log`)));
    });
    ended.catch(() => undefined);
    await Promise.race([this.#listens(), ended]);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }

  /** As the firmware's menu does it: nothing that was sealed before opens again. */
  async clear(): Promise<void> {
    await this.#run('tpm2_clear', '-c', 'p');
  }

  /** As firmware does it at a start. @param what another thing is another value @param pcr its number */
  async measure(what: string, pcr: number): Promise<void> {
    await this.#run('tpm2_pcrextend', `${pcr}:sha256=${createHash('sha256').update(what).digest('hex')}`);
  }

  /** How many sessions programs have left in it. */
  async sessions(): Promise<number> {
    const said = await Promise.all(
      ['handles-loaded-session', 'handles-saved-session'].map((what) => this.#run('tpm2_getcap', what)),
    );
    return said.join('').match(/0x/g)?.length ?? 0;
  }

  async #run(tool: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await runPeer(tool, ['-T', this.tcti, ...args], 'tpm2-tools');
    if (code !== 0) throw new Error(`${tool} ended with ${code}: ${stderr}`);
    return stdout.toString();
  }

  async #listens(): Promise<void> {
    const deadline = Date.now() + START_SECONDS * 1000;
    while ((await stat(this.#socket).catch(() => undefined)) === undefined) {
      if (Date.now() > deadline) throw new Error(`swtpm does not listen after ${START_SECONDS} s`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
