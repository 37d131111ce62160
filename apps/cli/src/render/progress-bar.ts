const WIDTH = 30;
const REDRAW_MS = 80;

/** Progress on standard error: a bar on a terminal, one line at the end elsewhere. */
export class ProgressBar {
  readonly #title: string;
  readonly #total: number;
  readonly #stream: NodeJS.WriteStream;
  #drawnAt = 0;

  constructor(title: string, total: number, stream: NodeJS.WriteStream = process.stderr) {
    this.#title = title;
    this.#total = total;
    this.#stream = stream;
  }

  /** @param done of the total, in the same unit */
  update(done: number): void {
    const now = Date.now();
    if (!this.#stream.isTTY || (now - this.#drawnAt < REDRAW_MS && done < this.#total)) return;
    this.#drawnAt = now;
    const share = this.#total === 0 ? 1 : Math.min(1, done / this.#total);
    const cells = Math.round(share * WIDTH);
    this.#stream.write(
      `\r${this.#title} ${'█'.repeat(cells)}${'·'.repeat(WIDTH - cells)} ${Math.round(share * 100)} %`,
    );
  }

  end(words: string): void {
    this.#stream.write(this.#stream.isTTY ? `\r\u001b[K${this.#title} ${words}\n` : `${this.#title} ${words}\n`);
  }
}
