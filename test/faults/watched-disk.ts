import { readFileSync } from 'node:fs';
import promises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { resolve, sep } from 'node:path';
import { DiskHistory, readImage } from './disk-history.ts';

/** The power is gone: nothing that is asked of the disk has any effect from then on. */
class PowerCutError extends Error {
  readonly code = 'EIO';
}

// biome-ignore lint/suspicious/noExplicitAny: stands for any of Node's functions
type Call = (...args: any[]) => Promise<any>;

const real = { ...promises };
const watched = new Set<WatchedDisk<unknown>>();

const CHANGES = ['mkdir', 'rename', 'rm', 'unlink', 'link', 'symlink', 'writeFile'] as const;
const TAKE_ROOM: ReadonlySet<string> = new Set(['mkdir', 'link', 'symlink', 'writeFile']);
const READS = ['readdir', 'readFile', 'readlink', 'stat', 'lstat', 'statfs', 'access'] as const;
/** What no history can be written of yet: whoever needs one of them teaches it to `WatchedDisk`. */
const UNKNOWN = ['appendFile', 'copyFile', 'cp', 'truncate', 'rmdir', 'mkdtemp', 'utimes', 'chmod', 'chown'] as const;
const HANDLE_WRITES = ['write', 'writev', 'writeFile', 'appendFile', 'truncate'] as const;

/**
 * A real folder, of which everything is noted that the code in this process does to it with `node:fs/promises`, and whose
 * power can be cut. The code knows nothing of it: the functions that it imports are replaced, for paths in this folder.
 */
export class WatchedDisk<Mark> {
  readonly history: DiskHistory<Mark>;
  /** Place in the history from which on the disk takes nothing new, as a full one. */
  fullFrom = Number.POSITIVE_INFINITY;
  readonly #root: string;
  readonly #cutAt: number;
  #isCut = false;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(root: string, history: DiskHistory<Mark>, cutAt: number) {
    this.#root = root;
    this.history = history;
    this.#cutAt = cutAt;
  }

  /**
   * @param root all of what lies there now is synced
   * @param cutAt place in the history before which the power goes
   */
  static async watch<Mark>(root: string, cutAt = Number.POSITIVE_INFINITY): Promise<WatchedDisk<Mark>> {
    const disk = new WatchedDisk<Mark>(root, new DiskHistory<Mark>(await readImage(root)), cutAt);
    if (watched.size === 0) replace();
    watched.add(disk as WatchedDisk<unknown>);
    return disk;
  }

  /** Notes nothing more. Node's functions are what they were when nothing is watched any more. */
  leave(): void {
    watched.delete(this as WatchedDisk<unknown>);
    if (watched.size > 0) return;
    Object.assign(promises, real);
    syncBuiltinESMExports();
  }

  /** Something became visible outside, unless the power is gone. */
  mark(mark: Mark): void {
    if (!this.#isCut) this.history.mark(mark);
  }

  /** Whether the power is gone. */
  get isCut(): boolean {
    return this.#isCut;
  }

  owns(path: unknown): path is string {
    return typeof path === 'string' && (resolve(path) === this.#root || resolve(path).startsWith(this.#root + sep));
  }

  demandPower(): void {
    if (this.history.length >= this.#cutAt) this.#isCut = true;
    if (this.#isCut) throw new PowerCutError('EIO: the power is gone');
  }

  change(name: (typeof CHANGES)[number], args: readonly unknown[]): Promise<unknown> {
    return this.#inTurn(async () => {
      const made = String(args[name === 'link' || name === 'symlink' ? 1 : 0]);
      if (TAKE_ROOM.has(name) && this.history.at(this.#relative(made)) === undefined) this.#demandRoom(name);
      const result = await (real[name] as Call)(...args);
      const [first, second] = [args[0], args[1]].map((one) => (this.owns(one) ? this.#relative(one) : String(one)));
      if (first === undefined || second === undefined) return result;
      if (name === 'mkdir') this.#madeFolders(first);
      else if (name === 'rename') this.history.rename(first, second);
      else if (name === 'link') this.history.link(first, second);
      else if (name === 'symlink') this.history.create(second, 'link', String(args[0]));
      else if (name === 'writeFile') {
        const node = this.history.at(first) ?? this.history.create(first, 'file');
        this.history.write(node, await real.readFile(String(args[0])), first);
      } else this.history.remove(first);
      return result;
    });
  }

  open(args: readonly [path: string, flags?: string, mode?: number]): Promise<FileHandle> {
    const [path, flags = 'r'] = args;
    return this.#inTurn(async () => {
      const name = this.#relative(path);
      if (this.history.at(name) === undefined && flags !== 'r') this.#demandRoom('open');
      const handle = await real.open(...args);
      const node = this.history.at(name) ?? this.history.create(name, 'file');
      if (flags.startsWith('w')) this.history.write(node, Buffer.alloc(0), name);
      const replaced: Record<string, Call> = {};
      for (const sync of ['sync', 'datasync'] as const) {
        const call: Call = handle[sync].bind(handle);
        replaced[sync] = () => this.#inTurn(() => call().then(() => this.history.sync(node, name)));
      }
      for (const write of HANDLE_WRITES) {
        const call: Call = handle[write].bind(handle);
        replaced[write] = (...given) =>
          // Also of a write that fails a part may be there.
          this.#inTurn(async () => {
            if (write !== 'truncate') this.#demandRoom('write');
            return call(...given).finally(() =>
              this.history.write(node, readFileSync(`/proc/self/fd/${handle.fd}`), name),
            );
          });
      }
      return Object.assign(handle, replaced, {
        createWriteStream: () => {
          throw new Error('a stream is not watched: use write() and sync()');
        },
      });
    });
  }

  #demandRoom(what: string): void {
    if (this.history.length < this.fullFrom) return;
    throw Object.assign(new Error(`ENOSPC: no space left on device, ${what}`), { code: 'ENOSPC' });
  }

  #madeFolders(path: string): void {
    const names = path.split('/');
    for (let depth = 1; depth <= names.length; depth += 1) {
      const folder = names.slice(0, depth).join('/');
      if (folder !== '' && this.history.at(folder) === undefined) this.history.create(folder, 'folder');
    }
  }

  #relative(path: string): string {
    return resolve(path).slice(this.#root.length + 1);
  }

  /** One after the other, so that the history has the order in which it was. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => {
      this.demandPower();
      return work();
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

const diskOf = (...paths: readonly unknown[]): WatchedDisk<unknown> | undefined =>
  [...watched].find((disk) => paths.some((path) => disk.owns(path)));

const replace = (): void => {
  const functions: Record<string, Call> = {
    open: (...args) => diskOf(args[0])?.open(args as [string]) ?? (real.open as Call)(...args),
  };
  for (const name of CHANGES) {
    functions[name] = (...args) => diskOf(args[0], args[1])?.change(name, args) ?? (real[name] as Call)(...args);
  }
  for (const name of READS) {
    functions[name] = async (...args) => {
      diskOf(args[0])?.demandPower();
      return (real[name] as Call)(...args);
    };
  }
  for (const name of UNKNOWN) {
    functions[name] = async (...args) => {
      if (diskOf(args[0]) !== undefined) throw new Error(`${name} is not watched: teach it to WatchedDisk`);
      return (real[name] as Call)(...args);
    };
  }
  Object.assign(promises, functions);
  syncBuiltinESMExports();
};
