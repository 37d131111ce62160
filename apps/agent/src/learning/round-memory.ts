import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { roundEvaluationSchema } from '@aviary/protocol';
import { z } from 'zod';
import { writeDurably } from '../state/durable-file.ts';
import type { SealedBox } from '../state/sealed-box.ts';

const REMEMBERED = 200;
const PLACE = 'round answer';

const part = z.enum(['train', 'evaluate']);
const finishedSchema = z.object({ version: z.literal(1), finished: z.array(z.object({ round: z.string(), part })) });

const common = { round: z.string(), deadlineAt: z.number() };
const answerSchema = z.discriminatedUnion('part', [
  z.object({
    ...common,
    part: z.literal('train'),
    base: z.string(),
    samples: z.number(),
    loss: z.number(),
    /** Base64 of float32. */
    update: z.string(),
  }),
  z.object({ ...common, part: z.literal('evaluate'), report: roundEvaluationSchema }),
]);
/** What the device answers in a round. */
export type RoundAnswer = z.infer<typeof answerSchema>;

type Part = Pick<RoundAnswer, 'round' | 'part'>;

/**
 * What the device has done in rounds, and the answer that nobody has acknowledged yet: what was sent once is what is
 * sent again, whatever was labelled since.
 */
export class RoundMemory {
  readonly #path: string;
  readonly #box: SealedBox;
  #finished: readonly Part[] = [];
  #answer: RoundAnswer | undefined;

  /** @param path a folder, made when it is needed */
  constructor(path: string, box: SealedBox) {
    this.#path = path;
    this.#box = box;
  }

  /** What cannot be read any more is forgotten: the control plane counts each device once, too. */
  async open(): Promise<void> {
    try {
      const text = await readFile(join(this.#path, 'finished.json'), 'utf8');
      this.#finished = finishedSchema.parse(JSON.parse(text)).finished;
    } catch {
      this.#finished = [];
    }
    try {
      const plain = this.#box.open(await readFile(join(this.#path, 'answer')), PLACE);
      this.#answer = plain && answerSchema.parse(JSON.parse(plain.toString('utf8')));
    } catch {
      this.#answer = undefined;
    }
    if (this.#answer !== undefined && this.isFinished(this.#answer)) this.#answer = undefined;
  }

  /** What is to be sent. */
  get answer(): RoundAnswer | undefined {
    return this.#answer;
  }

  isFinished({ round, part: which }: Part): boolean {
    return this.#finished.some((one) => one.round === round && one.part === which);
  }

  /** Keeps an answer until it is finished with. @throws what the disk throws; it is kept in memory then */
  async keep(answer: RoundAnswer): Promise<void> {
    this.#answer = answer;
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    await writeDurably(join(this.#path, 'answer'), this.#box.seal(Buffer.from(JSON.stringify(answer)), PLACE));
  }

  /** Nothing more is to be done in this part of a round. @throws what the disk throws; it is known in memory then */
  async finish({ round, part: which }: Part): Promise<void> {
    if (this.#answer?.round === round) this.#answer = undefined;
    if (!this.isFinished({ round, part: which })) {
      this.#finished = [...this.#finished, { round, part: which }].slice(-REMEMBERED);
    }
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    await writeDurably(join(this.#path, 'finished.json'), JSON.stringify({ version: 1, finished: this.#finished }));
    await rm(join(this.#path, 'answer'), { force: true });
  }
}
