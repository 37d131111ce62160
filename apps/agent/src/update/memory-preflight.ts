import { ProcessUsageMeter } from '../inference/process-usage.ts';
import type { HeldRelease } from '../state/journal.ts';

const MEGABYTE = 2 ** 20;
/** A worker that has loaded the smallest model: Node, ONNX Runtime and libvips. Measured on x86-64 with Node 24. */
const SMALLEST_WORKER = 110 * MEGABYTE;
/** ONNX Runtime holds the weights, and about as much again while it runs. */
const TIMES_THE_FILE = 2;
/** What the rest of the board is left. */
const RESERVE = 64 * MEGABYTE;

/** What serves while another release is to be loaded. */
export interface Serves {
  readonly release: Pick<HeldRelease, 'length'>;
  readonly pid: number;
  /** Of what runs its models beside it; null: nothing does. */
  readonly sidecarPid?: number | null;
}

/** Says before a release is loaded whether there is memory for it beside what serves. */
export class MemoryPreflight {
  readonly #available: () => number;
  readonly #residentOf: (pid: number) => number;

  /**
   * @param available bytes that may still be taken; by default those of the control group or of the machine
   * @param residentOf resident bytes of a process; by default by procfs
   */
  constructor(
    available: () => number = () => process.availableMemory(),
    residentOf: (pid: number) => number = residentBytes,
  ) {
    this.#available = available;
    this.#residentOf = residentOf;
  }

  /**
   * An estimate: the opened files lie in memory, too, and the worker will be about as large as the one that serves, if
   * there is one, and larger as its file is.
   * @returns in words what is missing; undefined: there is room
   */
  shortage({ length }: Pick<HeldRelease, 'length'>, { release, pid, sidecarPid = null }: Serves): string | undefined {
    const resident = this.#residentOf(pid) + (sidecarPid === null ? 0 : this.#residentOf(sidecarPid));
    const worker = Math.max(SMALLEST_WORKER, resident + TIMES_THE_FILE * (length - release.length));
    return this.#shortageOf(length + worker);
  }

  /**
   * Whether there is room for what serves once more, from the same opened files.
   * @param more bytes that the second one takes beyond what the first one has
   * @returns as `shortage`
   */
  shortageForTwin({ pid }: Pick<Serves, 'pid'>, more: number): string | undefined {
    return this.#shortageOf(Math.max(SMALLEST_WORKER, this.#residentOf(pid)) + more);
  }

  #shortageOf(needed: number): string | undefined {
    const available = this.#available() - RESERVE;
    if (needed <= available) return undefined;
    return `it needs about ${megabytes(needed)} MB of memory beside it, and ${megabytes(Math.max(0, available))} MB are free`;
  }
}

const megabytes = (bytes: number): number => Math.round(bytes / MEGABYTE);

const residentBytes = (pid: number): number => {
  const meter = new ProcessUsageMeter();
  try {
    return meter.sample([pid]).rssBytes;
  } finally {
    meter.close();
  }
};
