import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { armCpuinfo } from '../../apps/agent/src/testing/boards/board-fixture.ts';
import { command } from './installed-agent.ts';

const EMULATOR = '/usr/bin/qemu-aarch64-static';
/** Debian's own libraries for this architecture: what the package depends on. */
const LIBRARIES = '/usr/aarch64-linux-gnu';
const AGENT = '/usr/lib/aviary-agent';
const PEERS = 'qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross libatomic1-arm64-cross';

/** ELF, 64 bits, little-endian, for AArch64: binfmt_misc(5), as Debian's qemu-user-static registers it. */
const MAGIC = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`;
const MASK = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;

/**
 * Arguments: the folder, then a command. It sees the files of this machine, with the package's among them, and the processor
 * of the board; programs for it run in the emulator, also those that they start. All of that ends with it.
 */
const ENTER = `
set -eu
base=$1
shift
mount -t tmpfs tmpfs "$base/memory"
mkdir "$base/memory/upper" "$base/memory/work"
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$base/memory/upper,workdir=$base/memory/work,userxattr" /usr
mkdir ${AGENT}
mount --bind "$base/tree${AGENT}" ${AGENT}
mount -t proc proc /proc
mount --bind "$base/cpuinfo" /proc/cpuinfo
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' ':aarch64:M::${MAGIC}:${MASK}:'"$base/emulate:" > /proc/sys/fs/binfmt_misc/register
exec "$@"
`;

/** A board of another architecture than this machine's, with the agent's package for it. */
export class EmulatedBoard {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * @param folder empty, the board's own
   * @param deb the agent's package for arm64
   * @throws naming the packages that are missing
   */
  static async lay(folder: string, deb: string): Promise<EmulatedBoard> {
    const missing = [EMULATOR, `${LIBRARIES}/lib/libstdc++.so.6`, `${LIBRARIES}/lib/libatomic.so.1`].find(
      (path) => !existsSync(path),
    );
    if (missing !== undefined) throw new Error(`This needs ${missing}. Install it: apt-get install ${PEERS}`);
    await mkdir(join(folder, 'memory'));
    await command('dpkg-deb', '--extract', deb, join(folder, 'tree'));
    // ONNX Runtime asks which cores there are, and trusts in an answer. Those of a Raspberry Pi 4.
    await writeFile(join(folder, 'cpuinfo'), armCpuinfo(availableParallelism(), '0x41', '0xd08'));
    const emulate = `#!/bin/sh\nexec ${EMULATOR} -cpu cortex-a72 -L ${LIBRARIES} "$@"\n`;
    await writeFile(join(folder, 'emulate'), emulate, { mode: 0o755 });
    return new EmulatedBoard(folder);
  }

  /** Runs the agent to its end. @returns what it said @throws with all that it said */
  agent(...args: string[]): Promise<string> {
    const [program = '', ...rest] = this.#entered(args);
    return command(program, ...rest);
  }

  /** Runs the agent until it is stopped, which is as sudden as a power cut. */
  start(...args: string[]): { stop(): Promise<void> } {
    const [program = '', ...rest] = this.#entered(args);
    const child = spawn(program, rest, { stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = once(child, 'exit');
    return {
      stop: async () => {
        child.kill('SIGKILL');
        await ended;
      },
    };
  }

  /** In namespaces of its own: users, so that no other process of this machine gets the emulator; mounts; processes. */
  #entered(args: readonly string[]): string[] {
    const namespaces = ['--user', '--map-root-user', '--mount', '--pid', '--fork', '--kill-child'];
    const shell = ['sh', '-c', ENTER, 'sh', this.#folder];
    return ['unshare', ...namespaces, ...shell, `${AGENT}/bin/aviary-agent`, ...args];
  }
}
