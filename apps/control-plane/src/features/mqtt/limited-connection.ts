import { Duplex } from 'node:stream';

/** A remaining length has at most four bytes (MQTT 3.1.1, 2.2.3). */
const LARGEST_MULTIPLIER = 128 ** 3;

/** A packet announced itself as larger than a device may send. */
export class PacketTooLargeError extends Error {
  readonly code = 'packet-too-large';
}

/**
 * Stands between a device's socket and the broker and ends the connection at the header of a packet that announces
 * more than `maxBytes`: the broker itself would gather any size in memory. Reads only MQTT's fixed headers
 * (MQTT 3.1.1, 2.2), and passes everything on untouched.
 */
export class LimitedConnection extends Duplex {
  /** Bytes of the current packet that are still to come; 0 means that a fixed header is next. */
  private remaining = 0;
  private inHeader = false;
  private length = 0;
  private multiplier = 1;

  constructor(
    private readonly socket: Duplex,
    private readonly maxBytes: number,
  ) {
    super({ allowHalfOpen: false });
    socket.on('data', (chunk: Buffer) => {
      const error = this.scan(chunk);
      if (error !== undefined) this.destroy(error);
      else if (!this.push(chunk)) socket.pause();
    });
    socket.once('end', () => this.push(null));
    socket.once('error', (error) => this.destroy(error));
    socket.once('close', () => this.destroy());
  }

  private scan(chunk: Buffer): PacketTooLargeError | undefined {
    let index = 0;
    while (index < chunk.length) {
      if (this.remaining > 0) {
        const step = Math.min(this.remaining, chunk.length - index);
        this.remaining -= step;
        index += step;
        continue;
      }
      const byte = chunk[index] ?? 0;
      index += 1;
      if (!this.inHeader) {
        this.inHeader = true;
        this.length = 0;
        this.multiplier = 1;
        continue;
      }
      this.length += (byte & 0x7f) * this.multiplier;
      const isEndless = this.multiplier === LARGEST_MULTIPLIER && (byte & 0x80) !== 0;
      this.multiplier *= 128;
      if (this.length > this.maxBytes || isEndless) {
        return new PacketTooLargeError(
          `Expected MQTT packets of at most ${this.maxBytes} bytes, got one that announces more.`,
        );
      }
      if ((byte & 0x80) === 0) {
        this.inHeader = false;
        this.remaining = this.length;
      }
    }
    return undefined;
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.socket.write(chunk, encoding, callback);
  }

  /** A packet comes in pieces: written one by one, each would be a TLS record and a system call of its own. */
  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.socket.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.socket.end(callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.socket.destroy();
    callback(error);
  }
}
