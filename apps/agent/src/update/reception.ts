import type { IncomingMessage } from 'node:http';
import type { DownloadLimit, HeldBack } from '../link/download-limit.ts';

/** Slower than this over the whole of a watch period, and the source is given up for now. */
const SLOWEST_BYTES_PER_SECOND = 256;

/** The connection or the server failed; what came so far is kept, and the next try goes on from there. */
export class DownloadInterruptedError extends Error {
  readonly code = 'download-interrupted';
}

/** What came, from its first byte on, is not what was signed; nothing of it is kept. */
export class DownloadCorruptError extends Error {
  readonly code = 'download-corrupt';
}

/** Bytes that are to come. */
export interface Reception {
  /** Bytes of it that are here. */
  readonly have: number;
  /** Bytes of all of it, as signed. */
  readonly length: number;
  /** Opens the source from byte `start` on; status 206 when it really starts there. */
  readonly open: (start: number, signal: AbortSignal) => Promise<IncomingMessage>;
  readonly signal: AbortSignal;
  /** How long a source may be too slow before it is given up for now. */
  readonly patienceMs: number;
  /** What the device lets come at most; none by default. */
  readonly limit?: DownloadLimit | undefined;
  /** Told of each piece that has come. */
  readonly onProgress?: () => void;
}

/** Where the bytes go. */
export interface Receiver {
  /** The source has answered, and sends from byte `start` on: `have`, or 0 when it knows no ranges. */
  begin(start: number): Promise<void>;
  take(chunk: Buffer): Promise<void>;
}

/** Gives a source up that sends too little in a watch period, of which only the time counts in which it could have sent. */
class SlownessWatch implements HeldBack {
  readonly #slow = new AbortController();
  readonly #patienceMs: number;
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;
  #heldMs = 0;
  #heldSince: number | undefined;

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
    this.#timer = setInterval(() => this.#look(), patienceMs);
  }

  /** Aborted when the source is too slow. */
  get signal(): AbortSignal {
    return this.#slow.signal;
  }

  received(bytes: number): void {
    this.#bytes += bytes;
  }

  hold(): void {
    this.#heldSince = performance.now();
  }

  goOn(): void {
    if (this.#heldSince !== undefined) this.#heldMs += performance.now() - this.#heldSince;
    this.#heldSince = undefined;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#heldSince !== undefined) {
      this.goOn();
      this.hold();
    }
    const waitedMs = Math.max(0, this.#patienceMs - this.#heldMs);
    if (this.#bytes < (SLOWEST_BYTES_PER_SECOND * waitedMs) / 1000) {
      this.#slow.abort(new Error('the source is too slow'));
    }
    this.#bytes = 0;
    this.#heldMs = 0;
  }
}

/** From which byte on the source sends: as asked, or from the beginning when it knows no ranges. */
const startOf = ({ statusCode, headers }: IncomingMessage, asked: number): number => {
  if (statusCode !== 206) return 0;
  if (headers['content-range']?.startsWith(`bytes ${asked}-`) === true) return asked;
  throw new DownloadInterruptedError(
    `expected the bytes from ${asked} on, the source offers "${headers['content-range']}"`,
  );
};

/**
 * Lets bytes come until the source ends; never takes more of them than were signed, nor waits for ever.
 * @returns how many there are now
 * @throws DownloadCorruptError when there are more; what the network and the receiver throw, see `interruptionOf`
 */
export const receive = async (
  { have, length, open, signal, patienceMs, limit, onProgress }: Reception,
  receiver: Receiver,
): Promise<number> => {
  const watch = new SlownessWatch(patienceMs);
  const both = AbortSignal.any([signal, watch.signal]);
  let response: IncomingMessage | undefined;
  try {
    response = await open(have, both);
    let position = startOf(response, have);
    await receiver.begin(position);
    for await (const chunk of response as AsyncIterable<Buffer>) {
      watch.received(chunk.length);
      onProgress?.();
      if (position + chunk.length > length) {
        throw new DownloadCorruptError(`expected ${length} bytes, the source sends more`);
      }
      position += chunk.length;
      await receiver.take(chunk);
      await limit?.take(chunk.length, both, watch);
    }
    return position;
  } finally {
    watch.end();
    response?.destroy();
  }
};

/** @throws DownloadInterruptedError when bytes are missing */
export const demandWhole = (position: number, length: number): void => {
  if (position < length) throw new DownloadInterruptedError(`the source ended after ${position} of ${length} bytes`);
};

/** What an error that is not the disk's means: the bytes are wrong, or are tried for again. */
export const interruptionOf = (error: unknown): DownloadCorruptError | DownloadInterruptedError => {
  if (error instanceof DownloadCorruptError || error instanceof DownloadInterruptedError) return error;
  return new DownloadInterruptedError(error instanceof Error ? error.message : String(error));
};
