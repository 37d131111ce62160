import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import type { Duplex } from 'node:stream';
import { networkFence } from './network-fence.ts';

/** One of the agent's own programs, to be run behind the fence. */
export interface FencedProgram {
  /** Its file. */
  readonly program: string;
  /** Packages that it imports. */
  readonly imports: readonly string[];
  /** Its only argument, as JSON. */
  readonly config: unknown;
  /** Folders that it may read beside those that it is made of. */
  readonly readable: readonly string[];
  /** Whether it loads native code. */
  readonly addons: boolean;
  /** Upper bound of its JavaScript heap. */
  readonly heapMB: number;
  readonly cwd: string;
  /** Flags for its Node before the program. */
  readonly execArgv?: readonly string[] | undefined;
  /** A socket that it gets as its descriptor 3; this process is to let go of it. */
  readonly socket?: Duplex | undefined;
}

/**
 * Starts a program that sees the folders it was given and nothing else: no other file, no child process (Node's
 * permission model), no variable of the supervisor's environment, and no network, where the kernel allows that (see
 * `networkFence`).
 */
export function spawnFenced(fenced: FencedProgram): ChildProcessWithoutNullStreams {
  const { program, readable, imports, config, cwd, socket } = fenced;
  const [command, ...args] = [
    ...networkFence().command,
    process.execPath,
    `--max-old-space-size=${fenced.heapMB}`,
    ...fenceFlags([...readable, ...programFolders(program, imports)], fenced.addons),
    ...(fenced.execArgv ?? []),
    program,
    JSON.stringify(config),
  ];
  const child = spawn(command ?? process.execPath, args, {
    cwd,
    env: minimalEnvironment(process.env),
    stdio: ['pipe', 'pipe', 'pipe', ...(socket === undefined ? [] : [socket])],
  });
  return child as ChildProcessWithoutNullStreams;
}

/** Variables that ONNX Runtime's accelerators need to find their own libraries; nothing else of the environment is passed on. */
const PASSED_ON = ['LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES'];

/**
 * The environment of a child: nothing of the supervisor's own, which may hold secrets.
 * @param more names that this child needs beside
 */
export function minimalEnvironment(from: NodeJS.ProcessEnv, more: readonly string[] = []): NodeJS.ProcessEnv {
  const kept = [...PASSED_ON, ...more].flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]]));
  return {
    ...Object.fromEntries(kept),
    // Two malloc arenas instead of eight per core: what the image decoder frees is given back.
    MALLOC_ARENA_MAX: '2',
    // Since 1.29 ONNX Runtime tells its makers of each model that it loads, unless it is told not to.
    ORT_DISABLE_TELEMETRY: '1',
  };
}

/**
 * Node's flags that keep a child's JavaScript to the folders it needs: no other file is read, none is written, no process
 * and no thread started, no WASI.
 *
 * What this does not cover, by Node's own words: the network; native code (`addons`), which is free of all of it, so a
 * hole in ONNX Runtime or libvips is a hole in this fence; descriptors that are already open. It is a fence for mistakes
 * in our own code. Those around it are the kernel's: the network namespace, and what the unit sets (no new privileges,
 * read-only file system).
 */
function fenceFlags(readable: readonly string[], addons: boolean): string[] {
  return [
    '--permission',
    ...(addons ? ['--allow-addons', '--disable-warning=PERM0001'] : []),
    // With the star also a folder that appears only later is open in all its depth.
    ...readable.map((folder) => `--allow-fs-read=${join(folder, '*')}`),
  ];
}

/**
 * Folders that a program reads to load itself: its own package, and for each package that it imports the `node_modules`
 * (or, in the workspace, the folder) where that one really lies.
 */
function programFolders(program: string, imports: readonly string[]): string[] {
  const own = packageRoot(realpathSync(program));
  const require = createRequire(program);
  const folders = new Set([own]);
  for (const name of imports) {
    for (const base of require.resolve.paths(name) ?? []) {
      const found = join(base, name);
      if (!existsSync(found)) continue;
      folders.add(base);
      const real = realpathSync(found);
      if (!real.startsWith(base + sep)) folders.add(real);
      break;
    }
  }
  return [...folders];
}

function packageRoot(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
  }
  return dirname(file);
}
