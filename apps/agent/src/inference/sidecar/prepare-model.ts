import { constants, setPriority } from 'node:os';
import { SidecarRefusedError } from '../errors.ts';
import { watchMemory } from '../memory-watch.ts';
import type { ProvenSidecar } from './find-sidecars.ts';
import { SidecarConnection } from './sidecar-connection.ts';
import { SidecarProcess } from './sidecar-process.ts';

/** What a sidecar is to build. */
export interface PrepareModel {
  readonly sidecar: ProvenSidecar;
  readonly file: string;
  readonly format: string;
  readonly precision: string;
  /** The file that is to be written. */
  readonly into: string;
  readonly timeoutMs: number;
  /** Most that the sidecar may have in memory; undefined: as much as it takes. */
  readonly maxMemoryMB?: number | undefined;
  /** Ends it at once. */
  readonly signal?: AbortSignal | undefined;
  /** Called while it is at work. */
  readonly onAlive?: (() => void) | undefined;
}

/** What a model is loaded as could not be built. */
export class PrepareError extends Error {
  readonly code: 'prepare-failed' | 'prepare-timeout' | 'prepare-memory';
  constructor(code: PrepareError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

const MEGABYTE = 2 ** 20;

/**
 * Lets a sidecar build what it loads, in a process of its own and of low priority, so that frames go first.
 * @throws PrepareError; the signal's reason
 */
export const prepareModel = async (request: PrepareModel): Promise<void> => {
  const { sidecar, file, format, precision, into, timeoutMs, maxMemoryMB, signal, onAlive } = request;
  signal?.throwIfAborted();
  const { name } = sidecar.hello;
  const running = new SidecarProcess(sidecar.manifest);
  lowerPriority(running.pid);
  const connection = new SidecarConnection(running.socket, onAlive === undefined ? {} : { onAlive });
  let failure: unknown;
  const end = (error: unknown): void => {
    failure ??= error;
    connection.close();
    running.kill();
  };
  const abort = (): void => end(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => {
    const minutes = Math.round(timeoutMs / 6_000) / 10;
    end(new PrepareError('prepare-timeout', `${name} has not built it within ${minutes} minutes`));
  }, timeoutMs);
  const unwatch =
    maxMemoryMB === undefined || running.pid === 0
      ? () => undefined
      : watchMemory([running.pid], maxMemoryMB * MEGABYTE, (rssBytes) => {
          const words = `${name} had ${Math.round(rssBytes / MEGABYTE)} MB in memory, at most ${maxMemoryMB} MB are allowed`;
          end(new PrepareError('prepare-memory', words));
        });
  try {
    await connection.hello();
    await connection.prepare({ file, format, precision, into });
  } catch (error) {
    if (failure !== undefined) throw failure;
    const words = error instanceof Error ? error.message : String(error);
    if (error instanceof SidecarRefusedError) throw new PrepareError('prepare-failed', `${name}: ${words}`);
    await running.end();
    throw new PrepareError('prepare-failed', `${name}: ${words}; ${await running.exited}`);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    unwatch();
    connection.close();
    await running.end();
  }
};

const lowerPriority = (pid: number): void => {
  try {
    if (pid !== 0) setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended already, or the kernel does not let us: then it competes with the worker.
  }
};
