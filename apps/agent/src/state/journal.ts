import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { probationSchema } from '@aviary/release';
import { z } from 'zod';
import { writeDurably } from './durable-file.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A release as far as this device has it: enough to open and serve it without the control plane. */
export const heldReleaseSchema = z.object({
  release: z.string(),
  variant: z.string(),
  releaseCounter: z.number().int(),
  rollbackFloor: z.number().int(),
  /** Of the sealed bytes, which is also the name of their file. */
  sha256,
  length: z.number().int().positive(),
  /** Of the plain archive: what "running" means. */
  digest: sha256,
  ageHeader: z.string(),
});
export type HeldRelease = z.infer<typeof heldReleaseSchema>;

export const assignedReleaseSchema = heldReleaseSchema.extend({
  executionId: z.string(),
  probation: probationSchema,
});
/** What the device was told to run, verified. */
export type AssignedRelease = z.infer<typeof assignedReleaseSchema>;

const journalSchema = z.object({
  version: z.literal(1),
  epoch: z.number().int().positive(),
  /** Highest sequence of an accepted assignment. */
  sequence: z.number().int().nonnegative(),
  target: assignedReleaseSchema.nullable(),
  /** How far the target has come; a restart goes on from here. */
  stage: z.enum(['assigned', 'fetched', 'probation']),
  /** How often probation was begun for this target: a release that takes the agent down with it is given up. */
  probationStarts: z.number().int().nonnegative(),
  committed: heldReleaseSchema.nullable(),
  /** What was committed before: kept on disk, so that going back needs no network. */
  previous: heldReleaseSchema.nullable(),
  /** p95 of the committed release on this device, in milliseconds, as last measured. */
  committedP95Ms: z.number().nonnegative().nullable(),
  /** Executions that ended here, one way or the other; the newest last. */
  endedExecutions: z.array(z.string()),
  rollbackFloor: z.number().int().nonnegative(),
  /** Newest signed time that was ever seen, ms since 1970: a clock before it is known to be wrong. */
  timeFloor: z.number().int().nonnegative(),
  /** Number of the newest MQTT connection. */
  session: z.number().int().nonnegative(),
});
export type JournalState = z.infer<typeof journalSchema>;

const REMEMBERED_EXECUTIONS = 50;

const fresh = (epoch: number): JournalState => ({
  version: 1,
  epoch,
  sequence: 0,
  target: null,
  stage: 'assigned',
  probationStarts: 0,
  committed: null,
  previous: null,
  committedP95Ms: null,
  endedExecutions: [],
  rollbackFloor: 0,
  timeFloor: 0,
  session: 0,
});

/** The agent's one small file of decisions: each change is on disk before what follows from it is done. */
export class Journal {
  private current: JournalState;
  private writing: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    state: JournalState,
    /** Set when a damaged journal was put aside. */
    readonly damage: string | undefined,
  ) {
    this.current = state;
  }

  /** Reads the journal. A damaged one is put aside and said so; the device then asks for its assignment anew. */
  static async open(stateDirectory: string, epoch: number): Promise<Journal> {
    const path = join(stateDirectory, 'journal.json');
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return new Journal(path, fresh(epoch), undefined);
    let damage: string;
    try {
      const parsed = journalSchema.safeParse(JSON.parse(text));
      if (parsed.success && parsed.data.epoch === epoch) return new Journal(path, parsed.data, undefined);
      if (parsed.success) return new Journal(path, { ...fresh(epoch), ...kept(parsed.data) }, undefined);
      damage = z.prettifyError(parsed.error);
    } catch (error) {
      damage = error instanceof Error ? error.message : String(error);
    }
    await rename(path, `${path}.damaged`);
    return new Journal(path, fresh(epoch), damage);
  }

  get state(): Readonly<JournalState> {
    return this.current;
  }

  /** Changes the journal; resolves once it is on disk. Changes are written in the order in which they were made. */
  update(change: Partial<Omit<JournalState, 'version' | 'epoch'>>): Promise<void> {
    this.current = { ...this.current, ...change };
    const text = JSON.stringify(this.current);
    this.writing = this.writing.then(
      () => writeDurably(this.path, text),
      () => writeDurably(this.path, text),
    );
    return this.writing;
  }

  /** The list of ended executions with one more. */
  withEnded(executionId: string): string[] {
    return [...this.current.endedExecutions.filter((id) => id !== executionId), executionId].slice(
      -REMEMBERED_EXECUTIONS,
    );
  }
}

/** What a device that joined anew keeps: what it has and its floors, which no epoch lowers. */
const kept = ({ committed, previous, committedP95Ms, rollbackFloor, timeFloor }: JournalState) => ({
  committed,
  previous,
  committedP95Ms,
  rollbackFloor,
  timeFloor,
});
