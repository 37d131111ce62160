import type { ExecutionRecord } from '@aviary/protocol';
import type { ShadowTerms } from '@aviary/release';
import type { Logger } from 'pino';
import type { Serving } from '../inference/serving.ts';
import { PrepareError } from '../inference/sidecar/prepare-model.ts';
import type { AssignedRelease, HeldRelease, Journal } from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import { Admission, type AdmissionParts } from './admission.ts';
import type { CrashWatch } from './crash-watch.ts';
import { Decisions } from './decisions.ts';
import { failureCodeOf } from './download.ts';
import type { Hold } from './hold.ts';
import type { Holding } from './holding.ts';
import { plan, type Step } from './planner.ts';
import type { Preparation } from './preparation.ts';
import { type ProbationParts, ProbationWatch } from './probation-watch.ts';
import { ProvenReleases, type ProvenReleasesParts } from './proven-releases.ts';
import { DownloadInterruptedError } from './reception.ts';
import { ReleaseBytes, type ReleaseBytesParts } from './release-bytes.ts';
import type { ReleaseStore } from './release-store.ts';
import type { ServingSlot } from './serving-slot.ts';
import { Shadowing } from './shadowing.ts';
import { StepError } from './step-error.ts';
import type { StepOutcome } from './update-loop.ts';

/** A clock may be set, and a machine may sleep: what is waited for is looked at so often at least. */
const LOOK_AT_HOLD_MS = 60_000;

type StepOf<Kind extends Step['kind']> = Extract<Step, { kind: Kind }>;
type Executors = {
  readonly [Kind in Step['kind']]: (step: StepOf<Kind>, signal: AbortSignal) => Promise<void>;
};

export interface UpdaterParts extends ReleaseBytesParts, AdmissionParts, ProbationParts, ProvenReleasesParts {
  readonly journal: Pick<Journal, 'state' | 'update'>;
  readonly store: Pick<ReleaseStore, 'fetch' | 'checkSpace' | 'checkHeader' | 'open' | 'collectGarbage'>;
  readonly slot: Pick<
    ServingSlot,
    | 'serves'
    | 'servesPid'
    | 'loaded'
    | 'servesWith'
    | 'admitted'
    | 'inUse'
    | 'lastLoss'
    | 'load'
    | 'admit'
    | 'promote'
    | 'discard'
    | 'clear'
  >;
  readonly serving: Pick<Serving, 'observe' | 'disturbed' | 'witness'>;
  readonly holding: Pick<Holding, 'current'>;
  /** Null: this device runs all releases as they were published. */
  readonly preparation: Pick<Preparation, 'isNeeded' | 'ready'> | null;
  readonly crashes: Pick<CrashWatch, 'restMs'>;
  readonly reporter: Pick<Reporter, 'execution' | 'event'>;
  readonly log: Logger;
}

/** Carries out what the planner says: a table from a step's name to the code that does it. */
export class Updater {
  readonly #parts: UpdaterParts;
  readonly #decisions: Decisions;
  readonly #bytes: ReleaseBytes;
  readonly #admission: Admission;
  readonly #shadowing: Shadowing;
  readonly #probation: ProbationWatch;
  readonly #proven: ProvenReleases;
  /** What was reported last: a try that is repeated for days says nothing new. */
  #lastReport = '';
  /** Digest of the release of which all was built that has to be, in this run of the agent. */
  #prepared: string | null = null;
  readonly #executors: Executors = {
    serve: ({ release }, signal) => this.#proven.serve(release, signal),
    stop: () => this.#parts.slot.clear(),
    fetch: ({ target }, signal) => this.#fetch(target, signal),
    stage: ({ target }) => this.#stage(target),
    hold: ({ target, hold }) => this.#hold(target, hold),
    prepare: ({ target }, signal) => this.#prepare(target, signal),
    shadow: ({ target, terms }, signal) => this.#shadow(target, terms, signal),
    admit: ({ target }, signal) => this.#admission.admit(target, signal, (state) => this.#reportOpened(target, state)),
    switch: ({ target }) => this.#probation.begin(target, () => this.#report(target, 'PROBATION')),
    probation: async ({ target }, signal) => this.#commit(target, await this.#probation.watch(target, signal)),
    confirm: async ({ target }) => void (await this.#decisions.confirmed(target)),
  };

  constructor(parts: UpdaterParts) {
    this.#parts = parts;
    this.#decisions = new Decisions(parts.journal, parts.reporter);
    this.#bytes = new ReleaseBytes(parts);
    this.#shadowing = new Shadowing(parts);
    this.#admission = new Admission(parts, this.#bytes, this.#decisions);
    this.#probation = new ProbationWatch(parts, this.#admission, this.#decisions);
    this.#proven = new ProvenReleases(parts, this.#bytes, this.#admission, this.#decisions);
  }

  /** A release was assigned anew: what was wrong with it before does not count. */
  forgive(digest: string): void {
    this.#proven.forgive(digest);
  }

  /** The workers of a release keep dying: something else is to serve, now and after a restart. */
  quarantine(release: HeldRelease): Promise<void> {
    return this.#decisions.quarantined(release);
  }

  /**
   * Does the next thing.
   * @throws what makes sense to try again later; when the signal was given, anything
   */
  async step(signal: AbortSignal): Promise<StepOutcome> {
    const { step, restMs } = this.#next();
    // What came of a decision is told once it is so: the digest that is running is part of it.
    if (step?.kind !== 'serve' && step?.kind !== 'stop') await this.#decisions.deliver(this.#parts.slot.serves);
    if (step === undefined) return restMs > 0 && { lookAgainMs: restMs };
    this.#parts.log.debug({ step: step.kind }, 'next step');
    try {
      await this.#execute(step, signal);
    } catch (error) {
      // What was broken off has not failed.
      if (!(error instanceof StepError) || signal.aborted || !('target' in step)) throw error;
      await this.#giveUp(step.target, error);
    }
    return step.kind === 'hold' ? { lookAgainMs: Math.min(pauseOf(step.hold), restMs || LOOK_AT_HOLD_MS) } : true;
  }

  /** What is here and waits until it may serve; null when nothing does. */
  get waiting(): StepOf<'hold'> | null {
    if (this.#parts.journal.state.candidate?.stage === 'assigned') return null;
    return this.#plan().find((step) => step.kind === 'hold') ?? null;
  }

  /**
   * What to do now. A release whose worker has just died rests a while before it serves again; meanwhile another one may
   * be brought here.
   */
  #next(): { readonly step: Step | undefined; readonly restMs: number } {
    const [first, second] = this.#plan();
    if (first?.kind !== 'serve') return { step: first, restMs: 0 };
    const restMs = this.#parts.crashes.restMs(first.release.digest, performance.now());
    if (restMs === 0) return { step: first, restMs };
    return { step: second?.kind === 'confirm' ? undefined : second, restMs };
  }

  #plan(): Step[] {
    const { journal, slot, holding } = this.#parts;
    const { committed, previous, candidate, endedExecutions, quarantined, rollbackFloor } = journal.state;
    const held = [committed, previous, candidate?.release].filter((one) => one !== null && one !== undefined);
    const stopped = held.filter(({ release }) => journal.state.stopped.includes(release)).map(({ digest }) => digest);
    const current = { committed, previous, serving: slot.serves?.digest ?? null, admitted: slot.admitted };
    const unservable = [...quarantined, ...this.#proven.unservable];
    const hold = holding.current;
    const { alone } = this.#admission;
    const unprepared = this.#unprepared;
    return plan(current, candidate, {
      ended: endedExecutions,
      unservable,
      stopped,
      rollbackFloor,
      hold,
      alone,
      unprepared,
    });
  }

  #execute<Kind extends Step['kind']>(step: StepOf<Kind> & { kind: Kind }, signal: AbortSignal): Promise<void> {
    return this.#executors[step.kind](step, signal);
  }

  async #fetch(target: AssignedRelease, signal: AbortSignal): Promise<void> {
    await this.#report(target, 'DOWNLOADING');
    // What was wanted before leaves its room to it.
    await this.#bytes.tidy();
    await this.#parts.store.checkSpace(target);
    try {
      await this.#bytes.fetch(target, signal);
    } catch (error) {
      if (error instanceof DownloadInterruptedError) {
        // While nothing comes and nothing serves, what could not serve before is tried again.
        if (this.#parts.slot.serves === null) this.#proven.tryAllAgain();
        throw error;
      }
      throw new StepError('FAILED', failureCodeOf(error), `the download failed: ${messageOf(error)}`);
    }
    if (await this.#decisions.fetched(target)) await this.#report(target, 'DOWNLOADED');
  }

  async #stage(target: AssignedRelease): Promise<void> {
    this.#parts.store.checkHeader(target);
    if (!(await this.#decisions.staged(target))) return;
    this.#parts.log.info({ release: target.release }, 'staged');
    await this.#bytes.tidy();
  }

  async #hold(target: AssignedRelease, { waitsFor, words }: Hold): Promise<void> {
    const { slot } = this.#parts;
    if (slot.inUse.includes(target.digest)) {
      // Its window has closed in the meantime, or consent was taken back: until it may switch nothing of it takes memory.
      await slot.discard();
      await this.#bytes.tidy();
    }
    await this.#report(target, 'DOWNLOADED', { reason: { code: `waits-for-${waitsFor}`, message: words } });
  }

  async #shadow(target: AssignedRelease, terms: ShadowTerms, signal: AbortSignal): Promise<void> {
    const tell = (message: string) => this.#report(target, 'INSTALLING', { reason: { code: 'shadow', message } });
    const isAlone = this.#admission.alone === target.digest;
    const shadow = await this.#shadowing.run(target, terms, { isAlone, tell, signal });
    const { verdict, words } = shadow;
    this.#parts.log.info({ release: target.release, verdict }, words);
    if (verdict === 'disagrees') throw new StepError('FAILED', 'shadow-disagrees', words, shadow);
    if (!(await this.#decisions.shadowed(target, shadow))) return;
    await this.#report(target, 'INSTALLING', { reason: { code: 'shadow', message: words }, shadow });
  }

  /** Digest of the candidate while something has to be built of it. */
  get #unprepared(): string | null {
    const { journal, preparation } = this.#parts;
    const release = journal.state.candidate?.release;
    if (release === undefined || release.digest === this.#prepared) return null;
    return preparation?.isNeeded(release) === true ? release.digest : null;
  }

  /** What was built before is taken as it is: then nothing is told of it. */
  async #prepare(target: AssignedRelease, signal: AbortSignal): Promise<void> {
    const { store, preparation, onProgress } = this.#parts;
    this.#admission.throwIfOutdated(target);
    const folder = await store.open(target);
    await this.#report(target, 'VERIFIED');
    signal.throwIfAborted();
    try {
      await preparation?.ready(folder, {
        signal,
        onAlive: onProgress,
        onBuild: () => this.#report(target, 'PREPARING'),
      });
    } catch (error) {
      if (error instanceof PrepareError) throw new StepError('FAILED', error.code, error.message);
      throw error;
    }
    this.#prepared = target.digest;
  }

  /** What was prepared has been verified before that. */
  async #reportOpened(target: AssignedRelease, state: ExecutionRecord['state']): Promise<void> {
    if (state !== 'VERIFIED' || target.digest !== this.#prepared) await this.#report(target, state);
  }

  async #commit(target: AssignedRelease, p95Ms: number): Promise<void> {
    if (!(await this.#decisions.committed(target, p95Ms))) return;
    this.#admission.over();
    this.#proven.provenAnew(target.digest);
    this.#parts.log.info({ release: target.release }, 'committed');
    await this.#bytes.tidy();
  }

  /** The target is not to be: back to what was proven. */
  async #giveUp(target: AssignedRelease, error: StepError): Promise<void> {
    this.#parts.log.warn({ release: target.release, code: error.code }, error.message);
    await this.#decisions.givenUp(target, error);
    this.#admission.over();
    await this.#parts.slot.discard();
    await this.#bytes.tidy();
  }

  async #report(
    { executionId }: AssignedRelease,
    state: ExecutionRecord['state'],
    more: Pick<ExecutionRecord, 'reason' | 'shadow'> = {},
  ): Promise<void> {
    const report = `${executionId} ${state} ${more.reason?.message ?? ''}`;
    if (report === this.#lastReport) return;
    await this.#parts.reporter.execution({ executionId, state, ...more });
    this.#lastReport = report;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Until what is waited for may have come. */
const pauseOf = ({ until, laterUntil }: Hold): number => {
  const times = [until, laterUntil].filter((time) => time !== null).map((time) => time - Date.now());
  return Math.max(0, Math.min(LOOK_AT_HOLD_MS, ...times));
};
