import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '../state/durable-file.ts';
import type { SealedBox } from '../state/sealed-box.ts';
import { decodeSample, encodeSample, type Sample } from './sample.ts';
import { SampleSegment } from './sample-segment.ts';

/** Full ones make room as a whole: of a store's samples about this share goes at a time. */
const SEGMENTS = 8;
/** A board's memory has to hold all of a backbone's samples while it trains. */
const MOST_BYTES = 128 * 1024 * 1024;

export interface SampleCounts {
  readonly samples: number;
  readonly perLabel: Readonly<Record<string, number>>;
}

interface Loaded {
  readonly segment: SampleSegment;
  readonly number: number;
  /** Label of each frame that has a record in it. */
  readonly labels: Map<string, string>;
}

/** The samples of one backbone: bounded, the oldest let go first; encrypted; only what is counted is held in memory. */
export class SampleFolder {
  readonly #path: string;
  readonly #backbone: string;
  readonly #features: number;
  readonly #box: SealedBox;
  readonly #perSegment: number;
  readonly #most: number;
  #segments: Loaded[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * @param features values per sample
   * @param most samples that are kept, at least 1; fewer where they are very long
   */
  constructor(
    path: string,
    backbone: { readonly digest: string; readonly features: number },
    most: number,
    box: SealedBox,
  ) {
    this.#path = path;
    this.#backbone = backbone.digest;
    this.#features = backbone.features;
    this.#box = box;
    this.#most = Math.max(1, Math.min(most, Math.floor(MOST_BYTES / (backbone.features * 4))));
    this.#perSegment = Math.ceil(this.#most / SEGMENTS);
  }

  /** Finds what is there. @throws what the disk throws */
  async open(): Promise<void> {
    const names = await readdir(this.#path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const numbers = names.flatMap((name) => /^(\d{8})\.samples$/.exec(name)?.[1] ?? []).sort();
    this.#segments = [];
    for (const number of numbers.map(Number)) {
      const loaded = this.#segment(number);
      for (const sample of await this.#samplesOf(loaded)) loaded.labels.set(sample.id, sample.label);
      this.#segments.push(loaded);
    }
  }

  get counts(): SampleCounts {
    const perLabel: Record<string, number> = {};
    const labels = this.#labels();
    for (const label of labels.values()) perLabel[label] = (perLabel[label] ?? 0) + 1;
    return { samples: labels.size, perLabel };
  }

  /** What a frame was labelled with; undefined when it was not, or is forgotten. */
  labelOf(id: string): string | undefined {
    return this.#segments.findLast(({ labels }) => labels.has(id))?.labels.get(id);
  }

  /** Keeps a sample; it is on disk when this resolves. @throws what the disk throws; nothing is kept then */
  append(sample: Sample): Promise<void> {
    return this.#inTurn(async () => {
      const { segment, labels } = await this.#roomy();
      await segment.append(encodeSample(sample));
      labels.set(sample.id, sample.label);
      await this.#letGo();
    });
  }

  /** All samples, in the order in which their frames were last labelled. */
  read(): Promise<Sample[]> {
    return this.#inTurn(async () => {
      const found = new Map<string, Sample>();
      for (const loaded of this.#segments) {
        for (const sample of await this.#samplesOf(loaded)) {
          found.delete(sample.id);
          found.set(sample.id, sample);
        }
      }
      return [...found.values()];
    });
  }

  #labels(): Map<string, string> {
    return new Map(this.#segments.flatMap(({ labels }) => [...labels]));
  }

  async #samplesOf({ segment }: Loaded): Promise<Sample[]> {
    const records = await segment.read();
    return records.flatMap(({ plain }) => decodeSample(plain, this.#features) ?? []);
  }

  #segment(number: number): Loaded {
    const name = `${String(number).padStart(8, '0')}.samples`;
    const segment = new SampleSegment(join(this.#path, name), `${this.#backbone}/${number}`, this.#box);
    return { segment, number, labels: new Map() };
  }

  async #roomy(): Promise<Loaded> {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.segment.records < this.#perSegment) return last;
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    const next = this.#segment((last?.number ?? 0) + 1);
    this.#segments.push(next);
    return next;
  }

  /** Segments whose samples are too many. One that cannot be removed now is tried again after the next sample. */
  async #letGo(): Promise<void> {
    const total = (): number => this.#segments.reduce((sum, { segment }) => sum + segment.records, 0);
    while (this.#segments.length > 1 && total() > this.#most) {
      await this.#segments[0]?.segment.remove();
      this.#segments.shift();
    }
    await syncDirectory(this.#path);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
