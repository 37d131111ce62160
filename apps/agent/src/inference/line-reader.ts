import { StringDecoder } from 'node:string_decoder';

/** A line longer than this is cut: a child cannot fill the supervisor's memory with what it says. */
const MAX_LINE = 4096;

/** Turns the pieces of a text stream into lines without their ends; empty ones are left out. */
export class LineReader {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) this.#say(line);
  }

  /** The stream has ended: what is left is a line too. */
  end(): void {
    this.#say(this.#rest + this.#decoder.end());
    this.#rest = '';
  }

  #say(line: string): void {
    const text = line.trimEnd();
    if (text !== '') this.#onLine(text.slice(0, MAX_LINE));
  }
}
