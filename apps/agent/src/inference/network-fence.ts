import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** How a child is kept from the network on this board, found out by doing it. */
export interface NetworkFence {
  /** Whether a child behind `command` has no network. */
  readonly closed: boolean;
  /** Goes before the child's own command; it becomes that command (execve(2)), so the process id stays. Empty: nothing does. */
  readonly command: readonly string[];
  /** One sentence for people. */
  readonly words: string;
}

const PROGRAM = 'unshare';
/**
 * Options of unshare(1), the plainest first: the namespace alone needs CAP_SYS_ADMIN; a user namespace around it gives
 * that to everybody, where the kernel's settings allow one. util-linux before 2.36 maps only to root in there.
 */
const WAYS: readonly (readonly string[])[] = [
  ['--net'],
  ['--user', '--map-current-user', '--net'],
  ['--user', '--map-root-user', '--net'],
];
const PATIENCE_MS = 5_000;

/**
 * Tries how a child can be given a network namespace of its own (network_namespaces(7)). A new one has no device but a
 * loopback that is down: not even the board itself can be reached from it, by IP or by abstract Unix sockets.
 * @param from environment in which `unshare` is looked for
 */
export const tryNetworkFence = (from: NodeJS.ProcessEnv): NetworkFence => {
  const program = (from.PATH ?? '/usr/bin:/bin')
    .split(':')
    .map((folder) => join(folder, PROGRAM))
    .find((path) => existsSync(path));
  if (program === undefined) {
    return { closed: false, command: [], words: 'there is no unshare on this board (apt-get install util-linux)' };
  }
  let words = '';
  for (const way of WAYS) {
    const { status, stderr, error } = spawnSync(program, [...way, '--', program, '--version'], {
      encoding: 'utf8',
      timeout: PATIENCE_MS,
      // No environment: what it says is in English.
      env: {},
    });
    if (status === 0) {
      const namespaces = way.includes('--user')
        ? 'a network and a user namespace of its own'
        : 'a network namespace of its own';
      return { closed: true, command: [program, ...way, '--'], words: namespaces };
    }
    words ||= error?.message ?? stderr.trim().split('\n')[0] ?? '';
  }
  return { closed: false, command: [], words: `the kernel gives no network namespace (${words})` };
};

let found: NetworkFence | undefined;

/** As `tryNetworkFence`, tried once in the life of this process; takes some milliseconds then. */
export const networkFence = (): NetworkFence => {
  found ??= tryNetworkFence(process.env);
  return found;
};
