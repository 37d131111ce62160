import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './installed-agent.ts';
import { until } from './test-fleet.ts';

const SYSTEMD = '/lib/systemd/systemd';
/** Where a system has what it was given. */
export const GIVEN = '/opt/aviary-test';
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
/** Namespaces in which it lives: mounts, processes, host name, IPC, control groups. It has this machine's network. */
const NAMESPACES = ['-m', '-p', '-u', '-i', '-C'];
/** Of no use there, or not theirs: this machine's devices, clock and kernel settings. */
const MASKED = [
  'systemd-modules-load',
  'systemd-networkd',
  'systemd-random-seed',
  'systemd-remount-fs',
  'systemd-resolved',
  'systemd-sysctl',
  'systemd-timesyncd',
  'systemd-udevd',
  'systemd-udev-trigger',
];

/**
 * Arguments: an empty folder, a control group of its own, what is given. The system sees the files of this machine, and what
 * it changes is gone with it: an overlay in memory. The kernel's settings it can only read.
 */
const BOOT = `
set -eu
base=$1 group=$2 given=$3
echo $$ > "$group/cgroup.procs"
exec unshare ${NAMESPACES.join(' ')} --fork --kill-child sh -euc '
  mount --make-rprivate /
  mount -t tmpfs tmpfs "$1"
  root=$1/root
  mkdir "$1/upper" "$1/work" "$root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
  mkdir -p "$root${GIVEN}"
  cp -r "$2/." "$root${GIVEN}"
  mount -t proc proc "$root/proc"
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,ro,bind "$root/proc/sys"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs tmpfs "$root/run"
  mount -t tmpfs tmpfs "$root/dev"
  for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root/dev/shm" "$root/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  touch "$root/dev/console"
  ln -s /proc/self/fd "$root/dev/fd"
  rm -rf "$root"/etc/systemd/system/*.wants "$root/usr/sbin/policy-rc.d"
  : > "$root/etc/fstab"
  for unit in ${MASKED.join(' ')}; do ln -sf /dev/null "$root/etc/systemd/system/$unit.service"; done
  cd "$root"
  mkdir before
  pivot_root . before
  umount -l /before
  exec env -i container=aviary-test PATH=${PATH} ${SYSTEMD} --unit=basic.target --log-target=console
' sh "$base" "$given"
`;

/** A system that was really booted by systemd, beside the one of this machine and of its files. */
export class TestSystemd {
  readonly #group: string;
  readonly #child: ChildProcess;
  #pid = 0;

  private constructor(group: string, child: ChildProcess) {
    this.#group = group;
    this.#child = child;
  }

  /** @param base an empty folder @param given a folder of which it gets a copy @throws where the kernel does not allow it */
  static async boot(base: string, given: string): Promise<TestSystemd> {
    if (!existsSync(SYSTEMD)) throw new Error('This needs systemd. Install it: apt-get install systemd');
    const mounts = await readFile('/proc/mounts', 'utf8');
    const [, groups] = /^\S+ (\S+) cgroup2 /m.exec(mounts) ?? [];
    if (groups === undefined)
      throw new Error('This needs control groups of version 2, and a machine whose root one is.');
    const group = join(groups, `aviary-test-${process.pid}`);
    await mkdir(group);
    await mkdir(base, { recursive: true });
    const child = spawn('sh', ['-c', BOOT, 'sh', base, group, given], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const system = new TestSystemd(group, child);
    try {
      await until('the boot of a system', 60, async () => {
        if (child.exitCode !== null) return true;
        system.#pid = Number((await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim());
        return /running|degraded/.test(await system.run('systemctl', 'is-system-running')) ? true : undefined;
      });
      if (child.exitCode !== null) throw new Error(`This has to be root on a machine of its own: ${said.trim()}`);
    } catch (error) {
      await system.stop();
      throw error;
    }
    return system;
  }

  /** Runs a program there, to its end, as root. @returns what it said @throws with all that it said */
  run(...args: string[]): Promise<string> {
    const there = ['-t', `${this.#pid}`, ...NAMESPACES, '-r', '-w'];
    return command('nsenter', ...there, '--', 'env', '-i', `PATH=${PATH}`, 'SYSTEMD_PAGER=', ...args);
  }

  /** A property of a unit there, as systemd has it. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.run('systemctl', 'show', unit, '--property', name, '--value')).trim();
  }

  /** Ends all that runs there. Nothing is left of it. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await gone;
    }
    await until('the end of its processes', 20, async () => {
      await removeGroup(this.#group);
      return true;
    });
  }
}

/** A control group goes when all that are in it have. */
const removeGroup = async (group: string): Promise<void> => {
  const entries = await readdir(group, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await removeGroup(join(group, entry.name));
  await rmdir(group);
};
