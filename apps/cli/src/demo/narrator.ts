import { styleText } from 'node:util';

/** Tells the story on standard error, with the time since it began; standard output is kept for the summary. */
export class Narrator {
  private readonly startedAt = Date.now();

  /** Seconds since the story began. */
  get seconds(): number {
    return (Date.now() - this.startedAt) / 1000;
  }

  chapter(title: string): void {
    this.write(`\n${styleText('bold', `── ${title} `.padEnd(72, '─'), { stream: process.stderr })}`);
  }

  say(line: string): void {
    this.write(`${styleText('dim', `${this.seconds.toFixed(1).padStart(6)} s`, { stream: process.stderr })}  ${line}`);
  }

  good(line: string): void {
    this.say(`${styleText('green', '✓', { stream: process.stderr })} ${line}`);
  }

  bad(line: string): void {
    this.say(`${styleText('red', '✗', { stream: process.stderr })} ${line}`);
  }

  private write(text: string): void {
    process.stderr.write(`${text}\n`);
  }
}
