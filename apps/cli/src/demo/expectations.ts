import type { Narrator } from './narrator.ts';

/** The parts of the story that have to happen; the demo has failed when one of them did not. */
export class Expectations {
  private readonly results = new Map<string, boolean>();
  private readonly figures: Record<string, number | string> = {};

  constructor(private readonly narrator: Narrator) {}

  /** Records whether `name` happened, and tells it in words. */
  expect(name: string, happened: boolean, words: string): void {
    this.results.set(name, happened);
    if (happened) this.narrator.good(words);
    else this.narrator.bad(`expected ${name.replaceAll('-', ' ')}, but ${words}`);
  }

  /** A number for the summary. */
  figure(name: string, value: number | string): void {
    this.figures[name] = value;
  }

  /** One object for the last line: every expectation, every figure, and whether all is well. */
  summary(seconds: number) {
    const expectations = Object.fromEntries(this.results);
    const ok = this.results.size > 0 && [...this.results.values()].every(Boolean);
    return { demo: 'aviary', ok, seconds: Number(seconds.toFixed(1)), expectations, figures: this.figures };
  }
}
