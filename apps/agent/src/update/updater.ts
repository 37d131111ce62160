import type { ExecutionRecord } from '@aviary/protocol';
import type { Logger } from 'pino';
import type { AcceptanceReport } from '../inference/acceptance.ts';
import type { Serving } from '../inference/serving.ts';
import type { EffectiveProvider } from '../inference/worker-handle.ts';
import type { AssignedRelease, HeldRelease, Journal } from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import { Decisions } from './decisions.ts';
import { failureCodeOf } from './download.ts';
import type { Hold } from './hold.ts';
import type { Holding } from './holding.ts';
import { plan, type Step } from './planner.ts';
import { judgeProbation } from './probation-judge.ts';
import { DownloadInterruptedError } from './reception.ts';
import { ReleaseBytes, type ReleaseBytesParts } from './release-bytes.ts';
import type { ReleaseStore } from './release-store.ts';
import type { ServingSlot } from './serving-slot.ts';
import { StepError } from './step-error.ts';
import type { StepOutcome } from './update-loop.ts';

const LOOK_AT_PROBATION_MS = 250;
/** A clock may be set, and a machine may sleep: what is waited for is looked at so often at least. */
const LOOK_AT_HOLD_MS = 60_000;
/** A release during whose probation the agent itself went down so often is given up. */
const MOST_PROBATION_STARTS = 3;
/** A p95 of fewer frames is no measure for the next release. */
const FRAMES_FOR_P95 = 20;

type StepOf<Kind extends Step['kind']> = Extract<Step, { kind: Kind }>;
type Executors = {
  readonly [Kind in Step['kind']]: (step: StepOf<Kind>, signal: AbortSignal) => Promise<void>;
};

export interface UpdaterParts extends ReleaseBytesParts {
  readonly journal: Pick<Journal, 'state' | 'update'>;
  readonly store: Pick<ReleaseStore, 'fetch' | 'checkSpace' | 'checkHeader' | 'open' | 'collectGarbage'>;
  readonly slot: Pick<
    ServingSlot,
    'serves' | 'admitted' | 'inUse' | 'lastLoss' | 'load' | 'admit' | 'promote' | 'discard' | 'clear'
  >;
  readonly serving: Pick<Serving, 'observe'>;
  readonly holding: Pick<Holding, 'current'>;
  /** Execution providers of ONNX Runtime on this board, best first. */
  readonly providers: readonly string[];
  readonly reporter: Pick<Reporter, 'execution' | 'event'>;
  readonly log: Logger;
}

/** Carries out what the planner says: a table from a step's name to the code that does it. */
export class Updater {
  readonly #parts: UpdaterParts;
  readonly #decisions: Decisions;
  readonly #bytes: ReleaseBytes;
  /** What was reported last: a try that is repeated for days says nothing new. */
  #lastReport = '';
  /** Releases that did not serve when they were to, since the agent started or they were assigned anew. */
  readonly #unservable = new Set<string>();
  /** Of which that was said. */
  readonly #lamented = new Set<string>();
  readonly #executors: Executors = {
    serve: ({ release }, signal) => this.#serve(release, signal),
    stop: () => this.#parts.slot.clear(),
    fetch: ({ target }, signal) => this.#fetch(target, signal),
    stage: ({ target }) => this.#stage(target),
    hold: ({ target, hold }) => this.#hold(target, hold),
    admit: ({ target }, signal) => this.#admit(target, signal),
    switch: ({ target }) => this.#switchTo(target),
    probation: ({ target }, signal) => this.#probation(target, signal),
    confirm: async ({ target }) => void (await this.#decisions.confirmed(target)),
  };

  constructor(parts: UpdaterParts) {
    this.#parts = parts;
    this.#decisions = new Decisions(parts.journal, parts.reporter);
    this.#bytes = new ReleaseBytes(parts);
  }

  /** A release was assigned anew: what was wrong with it before does not count. */
  forgive(digest: string): void {
    this.#unservable.delete(digest);
    this.#lamented.delete(digest);
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
    const [step] = this.#plan();
    // What came of a decision is told once it is so: the digest that is running is part of it.
    if (step?.kind !== 'serve' && step?.kind !== 'stop') await this.#decisions.deliver(this.#parts.slot.serves);
    if (step === undefined) return false;
    this.#parts.log.debug({ step: step.kind }, 'next step');
    try {
      await this.#execute(step, signal);
    } catch (error) {
      // What was broken off has not failed.
      if (!(error instanceof StepError) || signal.aborted || !('target' in step)) throw error;
      await this.#giveUp(step.target, error);
    }
    return step.kind === 'hold' ? { lookAgainMs: pauseOf(step.hold) } : true;
  }

  /** What is here and waits until it may serve; null when nothing does. */
  get waiting(): StepOf<'hold'> | null {
    if (this.#parts.journal.state.candidate?.stage === 'assigned') return null;
    return this.#plan().find((step) => step.kind === 'hold') ?? null;
  }

  #plan(): Step[] {
    const { journal, slot, holding } = this.#parts;
    const { committed, previous, candidate, endedExecutions, quarantined, rollbackFloor } = journal.state;
    const held = [committed, previous, candidate?.release].filter((one) => one !== null && one !== undefined);
    const stopped = held.filter(({ release }) => journal.state.stopped.includes(release)).map(({ digest }) => digest);
    const current = { committed, previous, serving: slot.serves?.digest ?? null, admitted: slot.admitted };
    const unservable = [...quarantined, ...this.#unservable];
    const hold = holding.current;
    return plan(current, candidate, { ended: endedExecutions, unservable, stopped, rollbackFloor, hold });
  }

  #execute<Kind extends Step['kind']>(step: StepOf<Kind> & { kind: Kind }, signal: AbortSignal): Promise<void> {
    return this.#executors[step.kind](step, signal);
  }

  /** @throws when it does not serve although it was tried before: with the first time something else may be planned */
  async #serve(release: HeldRelease, signal: AbortSignal): Promise<void> {
    const { slot, log } = this.#parts;
    try {
      const folder = await this.#bytes.openOrFetch(release, signal);
      await this.#load(release, folder);
      await slot.promote();
      this.forgive(release.digest);
      log.info({ release: release.release }, 'serving');
    } catch (error) {
      if (signal.aborted) throw error;
      // A disk that takes no decision must not keep the device from what else it can serve.
      await this.#decisions.deliver(slot.serves).catch((reason: unknown) => log.warn({ err: reason }, 'not noted'));
      if (this.#unservable.has(release.digest)) throw error;
      this.#unservable.add(release.digest);
      if (!this.#lamented.has(release.digest)) {
        const words = `${release.release} cannot serve: ${messageOf(error)}`;
        await this.#parts.reporter.event('error', 'release-unservable', words);
        this.#lamented.add(release.digest);
      }
    }
    await this.#bytes.tidy();
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
        if (this.#parts.slot.serves === null) this.#unservable.clear();
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
    await this.#report(target, 'DOWNLOADED', { code: `waits-for-${waitsFor}`, message: words });
  }

  async #admit(target: AssignedRelease, signal: AbortSignal): Promise<void> {
    const { store, slot } = this.#parts;
    this.#throwIfOutdated(target);
    const folder = await store.open(target);
    await this.#report(target, 'VERIFIED');
    await this.#report(target, 'INSTALLING');
    signal.throwIfAborted();
    let outcome: AcceptanceReport;
    try {
      const { worker } = await this.#load(target, folder);
      signal.throwIfAborted();
      outcome = await worker.runAcceptance();
    } catch (error) {
      throw new StepError('FAILED', 'admission-did-not-run', `the release does not run here: ${messageOf(error)}`);
    }
    if (!outcome.passed) {
      const words = outcome.failures.map((failure) => failure.words).join('; ');
      throw new StepError('FAILED', 'admission', `the acceptance suite did not pass on this device: ${words}`);
    }
    slot.admit(target.digest);
  }

  /** What allows it has expired; it goes on once something newer allows it. */
  #throwIfOutdated({ release }: AssignedRelease): void {
    const { candidate, timeFloor } = this.#parts.journal.state;
    if (candidate === null || Math.max(Date.now(), timeFloor) < candidate.allowedUntil) return;
    const until = new Date(candidate.allowedUntil).toISOString();
    throw new Error(`the metadata that allows ${release} expired at ${until}; newer metadata is waited for`);
  }

  async #load(release: HeldRelease, folder: string) {
    const loaded = await this.#parts.slot.load(release, folder, this.#parts.providers);
    await this.#sayFallback(release, loaded.worker.provider);
    return loaded;
  }

  async #sayFallback(release: HeldRelease, { requested, effective, rejected }: EffectiveProvider): Promise<void> {
    if (requested[0] === undefined || requested[0] === effective) return;
    const reasons = rejected.map(({ provider, reason }) => `${provider}: ${reason}`).join('; ');
    const words = `${release.release} asked for ${requested.join(', ')} and runs on ${effective}. ${reasons}`;
    await this.#parts.reporter.event('warning', 'provider-fallback', words);
  }

  async #switchTo(target: AssignedRelease): Promise<void> {
    const { journal, slot, serving, log } = this.#parts;
    this.#throwIfOutdated(target);
    const { candidate, committed } = journal.state;
    const starts = candidate?.probationStarts ?? 0;
    if (starts >= MOST_PROBATION_STARTS) {
      const words = `its probation was begun ${starts} times and never came to an end: the worker or the agent went down`;
      throw new StepError('ROLLED_BACK', 'crash-loop', words);
    }
    // What "several times slower" is compared with, measured by the release before until this very moment.
    const { frames, p95Ms } = serving.observe();
    const isMeasured = committed !== null && slot.serves?.digest === committed.digest && frames >= FRAMES_FOR_P95;
    const isWanted = await this.#decisions.probationBegun(target, isMeasured ? p95Ms : undefined);
    if (!isWanted) return;
    try {
      await slot.promote();
    } catch (error) {
      throw new StepError('ROLLED_BACK', 'worker-lost', messageOf(error));
    }
    await this.#report(target, 'PROBATION');
    // What dies at its first frame is not tried again, as after a crash of the agent.
    this.#throwIfLost(target);
    log.info({ release: target.release }, 'serving on probation');
  }

  async #probation(target: AssignedRelease, signal: AbortSignal): Promise<void> {
    const { journal, serving } = this.#parts;
    const startedAt = performance.now();
    for (;;) {
      signal.throwIfAborted();
      this.#throwIfLost(target);
      const { committed, committedP95Ms } = journal.state;
      const elapsedSeconds = (performance.now() - startedAt) / 1000;
      const before = committed === null ? null : committedP95Ms;
      const outcome = judgeProbation(target.probation, serving.observe(), before, elapsedSeconds);
      if (outcome.verdict === 'failed') throw new StepError('ROLLED_BACK', outcome.code, outcome.words);
      if (outcome.verdict === 'passed') break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AT_PROBATION_MS));
    }
    await this.#commit(target, serving.observe().p95Ms);
  }

  #throwIfLost(target: AssignedRelease): void {
    const { serves, lastLoss } = this.#parts.slot;
    if (serves?.digest === target.digest) return;
    throw new StepError('ROLLED_BACK', 'worker-lost', `its worker ended on probation: ${lastLoss}`);
  }

  async #commit(target: AssignedRelease, p95Ms: number): Promise<void> {
    if (!(await this.#decisions.committed(target, p95Ms))) return;
    this.#unservable.delete(target.digest);
    this.#parts.log.info({ release: target.release }, 'committed');
    await this.#bytes.tidy();
  }

  /** The target is not to be: back to what was proven. */
  async #giveUp(target: AssignedRelease, error: StepError): Promise<void> {
    this.#parts.log.warn({ release: target.release, code: error.code }, error.message);
    await this.#decisions.givenUp(target, error);
    await this.#parts.slot.discard();
    await this.#bytes.tidy();
  }

  async #report(
    { executionId }: AssignedRelease,
    state: ExecutionRecord['state'],
    reason?: NonNullable<ExecutionRecord['reason']>,
  ): Promise<void> {
    const report = `${executionId} ${state} ${reason?.message ?? ''}`;
    if (report === this.#lastReport) return;
    await this.#parts.reporter.execution({ executionId, state, ...(reason === undefined ? {} : { reason }) });
    this.#lastReport = report;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Until what is waited for may have come. */
const pauseOf = ({ until, laterUntil }: Hold): number => {
  const times = [until, laterUntil].filter((time) => time !== null).map((time) => time - Date.now());
  return Math.max(0, Math.min(LOOK_AT_HOLD_MS, ...times));
};
