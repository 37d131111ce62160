import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const NAME = 'aviary-agent';
export const UNIT = '/lib/systemd/system/aviary-agent.service';
export const STATE = '/var/lib/aviary';
export const CONFIG = '/etc/aviary/agent.conf';
/** What Debian keeps of users and groups. */
const ACCOUNTS = ['/etc/passwd', '/etc/group', '/etc/shadow', '/etc/gshadow'];

/** Runs a program to its end. @returns what it said @throws with all that it said */
export const command = async (program: string, ...args: string[]): Promise<string> => {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
  const { stdout, stderr } = await run(program, args, { env, maxBuffer: 2 ** 26 }).catch((error) => {
    throw new Error(`${program} ${args.join(' ')}: ${error.stderr}${error.stdout}` || error.message, { cause: error });
  });
  return stdout + stderr;
};

/** The agent's package on this machine, and its service without a systemd that runs. */
export class InstalledAgent {
  #service: ChildProcess | undefined;
  #accounts: string[] = [];

  /** @throws where it would meddle with an agent that is somebody's */
  async prepare(): Promise<void> {
    if (process.getuid?.() !== 0) {
      throw new Error(
        'This installs and removes a package: run it as root, on a machine or in a container of its own.',
      );
    }
    const there = [STATE, '/etc/aviary', '/usr/lib/aviary-agent'].find((path) => existsSync(path));
    if (there !== undefined || (await this.status()) !== '') {
      throw new Error(
        `This machine has an agent already (${there ?? NAME}), which this would remove with all its state.`,
      );
    }
  }

  /** Notes which users and groups there are. */
  async noteAccounts(): Promise<void> {
    this.#accounts = await readAccounts();
  }

  /** As dpkg has it, e.g. `ii`; empty when it knows of none. */
  async status(): Promise<string> {
    const said = await command('dpkg-query', '--list', NAME).catch(() => '');
    const [, status = ''] = new RegExp(`^(\\w\\w)R? +${NAME} `, 'm').exec(said) ?? [];
    return status.endsWith('n') ? '' : status;
  }

  /** Files of users and groups that are not as they were noted. */
  async changedAccounts(): Promise<string[]> {
    const now = await readAccounts();
    return ACCOUNTS.filter((_, index) => now[index] !== this.#accounts[index]);
  }

  /** Runs the unit's ExecStart as its user. @param environment beside what systemd gives each service */
  async startService(environment: NodeJS.ProcessEnv, log: string): Promise<void> {
    const unit = await readFile(UNIT, 'utf8');
    const { ExecStart = '', User = '' } = Object.fromEntries(
      [...unit.matchAll(/^(\w+)=(.*)$/gm)].map(([, ...pair]) => pair),
    );
    const args = [`--reuid=${User}`, `--regid=${User}`, '--init-groups', '--', ...ExecStart.split(' ')];
    // setpriv, which becomes what it starts.
    const child = spawn('setpriv', args, {
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.pipe(createWriteStream(log, { flags: 'a' }));
    this.#service = child;
  }

  /** Of the agent that runs. */
  get pid(): number {
    return this.#service?.pid ?? -1;
  }

  /** As systemd does it. @returns its exit code */
  async stopService(): Promise<number | null> {
    const child = this.#service;
    this.#service = undefined;
    if (child === undefined) return null;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      await gone;
    }
    return child.exitCode;
  }

  /** Leaves nothing on this machine, however far it came. */
  async clear(): Promise<void> {
    await this.stopService();
    if ((await this.status()) !== '') await command('dpkg', '--purge', '--force-remove-reinstreq', NAME);
  }
}

const readAccounts = (): Promise<string[]> => Promise.all(ACCOUNTS.map((path) => readFile(path, 'utf8')));
