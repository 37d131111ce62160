import { styleText } from 'node:util';

const COLUMNS = 80;
/** Where the text begins: after the time, ` 123.4 s  `. */
const MARGIN = 10;

/** Breaks a line at its spaces; a word that is longer than a line stays whole. */
const wrappedLine = (text: string, width: number): string[] => {
  const lines: string[] = [];
  let line = '';
  // Only a space after a word parts words; more of them are columns of a table.
  for (const word of text.split(/(?<=\S) /)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
};

const wrapped = (text: string, width: number): string[] => text.split('\n').flatMap((line) => wrappedLine(line, width));

type Style = Parameters<typeof styleText>[0];

/** Tells the story in 80 columns, with the time since it began; standard output is kept for the summary. */
export class Narrator {
  readonly #out: NodeJS.WritableStream;
  readonly #startedAt: number;

  constructor(out: NodeJS.WritableStream = process.stderr, startedAt = Date.now()) {
    this.#out = out;
    this.#startedAt = startedAt;
  }

  /** Seconds since the story began. */
  get seconds(): number {
    return (Date.now() - this.#startedAt) / 1000;
  }

  /** Begins a part of the story, with a sentence on what it shows. */
  chapter(title: string, about: string): void {
    this.#write(`\n${this.#styled('bold', `── ${title} `.padEnd(COLUMNS, '─'))}`);
    for (const line of wrapped(about, COLUMNS - MARGIN)) this.#write(' '.repeat(MARGIN) + this.#styled('dim', line));
  }

  /** Something that happened now. */
  say(words: string): void {
    this.#tell(words, 0);
  }

  /** A part of the story that happened as it should. */
  good(words: string): void {
    this.#tell(`${this.#styled('green', '✓')} ${words}`, 2);
  }

  /** A part of the story that did not. */
  bad(words: string): void {
    this.#tell(`${this.#styled('red', '✗')} ${words}`, 2);
  }

  /** More about what was said last. */
  detail(words: string): void {
    const [first = '', ...more] = wrapped(words, COLUMNS - MARGIN - 4);
    this.#write(`${' '.repeat(MARGIN + 2)}· ${first}`);
    for (const line of more) this.#write(' '.repeat(MARGIN + 4) + line);
  }

  #tell(words: string, indent: number): void {
    const [first = '', ...more] = wrapped(words, COLUMNS - MARGIN - indent);
    const time = `${this.seconds.toFixed(1).padStart(6)} s  `;
    this.#write(this.#styled('dim', time) + first);
    for (const line of more) this.#write(' '.repeat(MARGIN + indent) + line);
  }

  #styled(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#out });
  }

  #write(text: string): void {
    this.#out.write(`${text}\n`);
  }
}
