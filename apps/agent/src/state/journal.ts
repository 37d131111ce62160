import { shadowReportSchema } from '@aviary/protocol';
import { probationSchema, switchTermsSchema } from '@aviary/release';
import { z } from 'zod';
import { type JournalCopy, JournalDirectory, type JournalFiles } from './journal-files.ts';

// The journal is read once, when the agent starts: what it is read by is made for that, and not kept for years.

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A release as far as this device has it: enough to open and serve it without the control plane. */
const heldReleaseSchema = () =>
  z.object({
    release: z.string(),
    variant: z.string(),
    /** What runs it, and what of; absent in journals of agents that ran ONNX only. */
    runtime: z.string().exactOptional(),
    format: z.string().exactOptional(),
    releaseCounter: z.int(),
    rollbackFloor: z.int(),
    /** Of the sealed bytes, which is also the name of their file. */
    sha256,
    length: z.int().positive(),
    /** Of the plain archive: what "running" means. */
    digest: sha256,
    ageHeader: z.string(),
    /** Name of its target in the image repository. */
    targetPath: z.string(),
    /** PEM; of the signature inside the archive, as the publisher's targets name it. */
    publisherKey: z.string(),
  });
export type HeldRelease = z.infer<ReturnType<typeof heldReleaseSchema>>;

/** What the device was told to run, verified. */
const assignedReleaseSchema = () =>
  heldReleaseSchema().extend({
    executionId: z.string(),
    probation: probationSchema,
    terms: switchTermsSchema.exactOptional(),
  });
export type AssignedRelease = z.infer<ReturnType<typeof assignedReleaseSchema>>;

/** What an application on the board has said to a switch; it counts for one execution. */
const consentSchema = () =>
  z.discriminatedUnion('decision', [
    z.object({ decision: z.literal('allow') }),
    /** Until when it does not want to be asked, ms since 1970. */
    z.object({ decision: z.literal('later'), until: z.int() }),
  ]);
export type Consent = z.infer<ReturnType<typeof consentSchema>>;

const candidateSchema = () =>
  z.object({
    release: assignedReleaseSchema(),
    /** How far it has come; a restart goes on from here. */
    stage: z.enum(['assigned', 'fetched', 'probation']),
    /** How often probation was begun: a release that takes the agent down with it is given up. */
    probationStarts: z.int().nonnegative(),
    /** How often a stress was begun that has not come to an end: one that takes the board down with it is given up. */
    stressStarts: z.int().nonnegative().exactOptional(),
    /** When the metadata that allows it expires, ms since 1970; from then on it is not begun with. */
    allowedUntil: z.int(),
    /** When its sealed bytes were here, ms since 1970. */
    fetchedAt: z.int().nonnegative().exactOptional(),
    consent: consentSchema().exactOptional(),
    /** What came of running it in shadow: that is done once. */
    shadow: shadowReportSchema.exactOptional(),
  });
export type Candidate = z.infer<ReturnType<typeof candidateSchema>>;

/** How an execution ended, until the telemetry spool has it: a decision and its report are one write. */
const noticeSchema = () =>
  z.object({
    executionId: z.string(),
    state: z.enum(['SUCCEEDED', 'ALREADY_INSTALLED', 'STAGED', 'FAILED', 'REJECTED', 'ROLLED_BACK']),
    reason: z.object({ code: z.string(), message: z.string() }).exactOptional(),
    shadow: shadowReportSchema.exactOptional(),
  });

const journalSchema = () =>
  z.object({
    version: z.literal(2),
    deviceId: z.string(),
    epoch: z.int().positive(),
    /** Highest sequence of an accepted assignment. */
    sequence: z.int().nonnegative(),
    candidate: candidateSchema().nullable(),
    committed: heldReleaseSchema().nullable(),
    /** What was committed before: kept on disk, so that going back needs no network. */
    previous: heldReleaseSchema().nullable(),
    /** What was only to be fetched: kept on disk until something else is assigned. */
    staged: heldReleaseSchema().nullable().default(null),
    /** p95 of the committed release on this device, in milliseconds, as last measured. */
    committedP95Ms: z.number().nonnegative().nullable(),
    /** Executions that ended here, one way or the other; the newest last. */
    endedExecutions: z.array(z.string()),
    /** Digests of releases whose workers kept dying; cleared by assigning them anew. */
    quarantined: z.array(z.string()),
    /** Names of releases that the publisher has stopped: they may not run, even where they do. */
    stopped: z.array(z.string()),
    notices: z.array(noticeSchema()),
    rollbackFloor: z.int().nonnegative(),
    /** Newest signed time that was ever seen, ms since 1970: a clock before it is known to be wrong. */
    timeFloor: z.int().nonnegative(),
    /** Number of the newest MQTT connection. */
    session: z.int().nonnegative(),
  });
export type JournalState = z.infer<ReturnType<typeof journalSchema>>;
type Change = Partial<Omit<JournalState, 'version' | 'deviceId' | 'epoch'>>;

const REMEMBERED_EXECUTIONS = 50;

/** Whose journal it is. Sequences count within an epoch, and what is sealed to one device another cannot open. */
export interface JournalOwner {
  readonly deviceId: string;
  readonly epoch: number;
  /** Epoch in which its age identity was made; absent: the first. */
  readonly ageSince?: number;
}

const fresh = ({ deviceId, epoch }: JournalOwner): JournalState => ({
  version: 2,
  deviceId,
  epoch,
  sequence: 0,
  candidate: null,
  committed: null,
  previous: null,
  staged: null,
  committedP95Ms: null,
  endedExecutions: [],
  quarantined: [],
  stopped: [],
  notices: [],
  rollbackFloor: 0,
  timeFloor: 0,
  session: 0,
});

type Reading = { readonly state: JournalState } | { readonly damage: string } | undefined;

const readState = async (files: JournalFiles, which: JournalCopy): Promise<Reading> => {
  const text = await files.read(which);
  if (text === undefined) return undefined;
  try {
    const parsed = journalSchema().safeParse(JSON.parse(text));
    return parsed.success ? { state: parsed.data } : { damage: z.prettifyError(parsed.error) };
  } catch (error) {
    return { damage: error instanceof Error ? error.message : String(error) };
  }
};

/** The journal as it lies on disk, for whoever only looks; undefined when there is none, or none that can be read. */
export const peekJournal = async (stateDirectory: string): Promise<JournalState | undefined> => {
  const reading = await readState(new JournalDirectory(stateDirectory), 'current');
  return reading !== undefined && 'state' in reading ? reading.state : undefined;
};

/** The agent's one small file of decisions: each change is on disk before anybody sees it. */
export class Journal {
  /** What was wrong with the file that was found, when it was damaged. */
  readonly damage: string | undefined;
  readonly #files: JournalFiles;
  #state: JournalState;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(files: JournalFiles, state: JournalState, damage: string | undefined) {
    this.#files = files;
    this.#state = state;
    this.damage = damage;
  }

  /**
   * Reads the journal. A damaged one is put aside as `journal.json.damaged`; the state before its last change takes its
   * place, or a fresh one, with which the device asks for its assignment anew.
   */
  static open(stateDirectory: string, owner: JournalOwner): Promise<Journal> {
    return Journal.over(new JournalDirectory(stateDirectory), owner);
  }

  /** As `open`, wherever the journal lies. */
  static async over(files: JournalFiles, owner: JournalOwner): Promise<Journal> {
    let reading = await readState(files, 'current');
    let damage: string | undefined;
    if (reading !== undefined && 'damage' in reading) {
      damage = reading.damage;
      // A disk that takes nothing must not keep the device from serving; the damage is found again.
      await files.putAside().catch(() => undefined);
    }
    if (reading === undefined || 'damage' in reading) reading = await readState(files, 'last');
    const state = reading !== undefined && 'state' in reading ? reading.state : fresh(owner);
    return new Journal(files, ownedBy(owner, state), damage);
  }

  get state(): Readonly<JournalState> {
    return this.#state;
  }

  /**
   * Changes the journal, one change after the other; `decide` sees the state that its change is made to, and may
   * decline with undefined. Resolves once the change is on disk.
   * @returns whether there was a change
   * @throws what the disk threw; the state is then as before
   */
  update(decide: (state: Readonly<JournalState>) => Change | undefined): Promise<boolean> {
    const result = this.#turn.then(async () => {
      const change = decide(this.#state);
      if (change === undefined) return false;
      const next = { ...this.#state, ...change };
      await this.#files.replace(JSON.stringify(next));
      this.#state = next;
      return true;
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** The change that ends what the candidate is tried for, and keeps the notice of it. The oldest ends are forgotten. */
export const withOutcome = (
  { endedExecutions, notices }: Readonly<JournalState>,
  notice: JournalState['notices'][number],
): Pick<JournalState, 'candidate' | 'endedExecutions' | 'notices'> => {
  const others = endedExecutions.filter((id) => id !== notice.executionId);
  return {
    candidate: null,
    endedExecutions: [...others, notice.executionId].slice(-REMEMBERED_EXECUTIONS),
    notices: [...notices, notice],
  };
};

/**
 * A device that joined anew under its own name keeps what it has; under another name it can open none of it. With another
 * age identity it cannot either, and may be brought to what it has had before; how far it may go back stays as it is.
 */
const ownedBy = (owner: JournalOwner, state: JournalState): JournalState => {
  if (state.deviceId !== owner.deviceId) return fresh(owner);
  if (state.epoch === owner.epoch) return state;
  const renewed = { ...state, epoch: owner.epoch, sequence: 0, candidate: null, notices: [] };
  if (state.epoch >= (owner.ageSince ?? 0)) return renewed;
  const nothing = { committed: null, previous: null, staged: null, committedP95Ms: null };
  return { ...renewed, ...nothing, endedExecutions: [], quarantined: [] };
};
