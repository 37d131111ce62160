import type { Narrator } from './narrator.ts';

/** The parts of the story, in their order. Each has to happen, or the demo has failed. */
export const PARTS = [
  'devices-joined',
  'profiles-matched',
  'releases-published',
  'first-release-everywhere',
  'first-release-accurate',
  'better-release-in-waves',
  'better-release-better',
  'bad-release-stopped-in-first-wave',
  'bad-release-rolled-back',
  'bad-release-judged-by-behaviour',
  'fleet-serves-good-release',
  'accuracy-falls-in-the-dark',
  'labels-kept-on-devices',
  'round-committed',
  'candidate-published-with-lineage',
  'candidate-rolled-out',
  'candidate-better-in-the-dark',
  'candidate-as-good-elsewhere',
] as const;
export type Part = (typeof PARTS)[number];

/** What the demo prints as its last line. */
export interface DemoSummary {
  readonly demo: 'aviary';
  readonly ok: boolean;
  readonly seconds: number;
  readonly expectations: Readonly<Record<string, boolean>>;
  readonly figures: Readonly<Record<string, number>>;
  /** Why the story could not be told to its end. */
  readonly error?: string;
}

/** Keeps what happened of the story; a part that was never reached did not happen. */
export class Expectations {
  readonly #narrator: Pick<Narrator, 'good' | 'bad'>;
  readonly #happened = new Set<Part>();
  readonly #figures: Record<string, number> = {};

  constructor(narrator: Pick<Narrator, 'good' | 'bad'>) {
    this.#narrator = narrator;
  }

  /** Records whether a part happened, and tells what was seen. */
  expect(part: Part, happened: boolean, seen: string): void {
    if (happened) {
      this.#happened.add(part);
      this.#narrator.good(seen);
    } else {
      this.#happened.delete(part);
      this.#narrator.bad(`expected ${part.replaceAll('-', ' ')}, but: ${seen}`);
    }
  }

  /** A number for the summary. */
  figure(name: string, value: number): void {
    this.#figures[name] = value;
  }

  /** Every part, every figure, and whether all is well. */
  summary(seconds: number, error?: string): DemoSummary {
    const ok = error === undefined && PARTS.every((part) => this.#happened.has(part));
    return {
      demo: 'aviary',
      ok,
      seconds: Number(seconds.toFixed(1)),
      expectations: Object.fromEntries(PARTS.map((part) => [part, this.#happened.has(part)])),
      figures: this.#figures,
      ...(error === undefined ? {} : { error }),
    };
  }
}
