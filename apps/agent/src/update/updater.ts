import { deviceRoutes, type ExecutionRecord, routeUrl } from '@aviary/protocol';
import type { Logger } from 'pino';
import type { AcceptanceReport } from '../inference/acceptance.ts';
import type { Serving } from '../inference/serving.ts';
import type { EffectiveProvider } from '../inference/worker-handle.ts';
import type { DeviceApi } from '../link/device-api.ts';
import { type AssignedRelease, type HeldRelease, type Journal, withEnded } from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import { DownloadCorruptError, DownloadInterruptedError, download } from './download.ts';
import { plan, type Step } from './planner.ts';
import { judgeProbation } from './probation-judge.ts';
import type { ReleaseStore } from './release-store.ts';
import type { ServingSlot } from './serving-slot.ts';
import { StepError } from './step-error.ts';

const LOOK_AT_PROBATION_MS = 250;
/** A release during whose probation the agent itself went down so often is given up. */
const MOST_PROBATION_STARTS = 3;
/** A p95 of fewer frames is no measure for the next release. */
const FRAMES_FOR_P95 = 20;

type StepOf<Kind extends Step['kind']> = Extract<Step, { kind: Kind }>;
type Executors = {
  readonly [Kind in Step['kind']]: (step: StepOf<Kind>, signal: AbortSignal) => Promise<void>;
};

export interface UpdaterParts {
  readonly journal: Journal;
  readonly store: ReleaseStore;
  readonly slot: ServingSlot;
  readonly serving: Pick<Serving, 'observe'>;
  readonly api: Pick<DeviceApi, 'stream'>;
  /** Execution providers of ONNX Runtime on this board, best first. */
  readonly providers: readonly string[];
  readonly reporter: Pick<Reporter, 'execution' | 'event'>;
  readonly log: Logger;
}

/**
 * Carries out what the planner says: a table from a step's name to the code that does it. A decision and the report of
 * it are one write to the journal, so that neither is lost by a crash between them.
 */
export class Updater {
  readonly #parts: UpdaterParts;
  /** Releases that did not serve when they were to, since the agent started or they were assigned anew. */
  readonly #unservable = new Set<string>();
  readonly #executors: Executors = {
    serve: ({ release }, signal) => this.#serve(release, signal),
    stop: () => this.#parts.slot.clear(),
    fetch: ({ target }, signal) => this.#fetch(target, signal),
    admit: ({ target }, signal) => this.#admit(target, signal),
    switch: ({ target }) => this.#switchTo(target),
    probation: ({ target }, signal) => this.#probation(target, signal),
    confirm: ({ target }) => this.#confirm(target),
  };

  constructor(parts: UpdaterParts) {
    this.#parts = parts;
  }

  /** A release was assigned anew: what was wrong with it before does not count. */
  forgive(digest: string): void {
    this.#unservable.delete(digest);
  }

  /** The workers of a release keep dying: something else is to serve, now and after a restart. */
  async quarantine(release: HeldRelease): Promise<void> {
    await this.#parts.journal.update(({ quarantined }) =>
      quarantined.includes(release.digest) ? undefined : { quarantined: [...quarantined, release.digest] },
    );
  }

  /**
   * Does the next thing. @returns whether there was one
   * @throws what makes sense to try again later; when the signal was given, anything
   */
  async step(signal: AbortSignal): Promise<boolean> {
    const [step] = this.#plan();
    // What came of a decision is told once it is so: the digest that is running is part of it.
    if (step?.kind !== 'serve' && step?.kind !== 'stop') await this.#deliverNotices();
    if (step === undefined) return false;
    this.#parts.log.debug({ step: step.kind }, 'next step');
    try {
      await this.#execute(step, signal);
    } catch (error) {
      // What was broken off has not failed.
      if (!(error instanceof StepError) || signal.aborted || !('target' in step)) throw error;
      await this.#giveUp(step.target, error);
    }
    return true;
  }

  #plan(): Step[] {
    const { journal, slot } = this.#parts;
    const { committed, previous, candidate, endedExecutions, quarantined, rollbackFloor } = journal.state;
    const current = { committed, previous, serving: slot.serves?.digest ?? null, admitted: slot.admitted };
    const unservable = [...quarantined, ...this.#unservable];
    return plan(current, candidate, { ended: endedExecutions, unservable, rollbackFloor });
  }

  #execute<Kind extends Step['kind']>(step: StepOf<Kind> & { kind: Kind }, signal: AbortSignal): Promise<void> {
    return this.#executors[step.kind](step, signal);
  }

  /** @throws when it does not serve although it was tried before: with the first time something else may be planned */
  async #serve(release: HeldRelease, signal: AbortSignal): Promise<void> {
    const { slot, log } = this.#parts;
    try {
      const folder = await this.#openOrFetch(release, signal);
      await this.#load(release, folder);
      await slot.promote();
      this.#unservable.delete(release.digest);
      log.info({ release: release.release }, 'serving');
    } catch (error) {
      if (signal.aborted) throw error;
      await this.#deliverNotices();
      if (this.#unservable.has(release.digest)) throw error;
      this.#unservable.add(release.digest);
      const words = `${release.release} cannot serve: ${messageOf(error)}`;
      await this.#parts.reporter.event('error', 'release-unservable', words);
    }
    await this.#tidy();
  }

  /** A sealed file that is damaged or gone is fetched again, where there is a network. */
  async #openOrFetch(release: HeldRelease, signal: AbortSignal): Promise<string> {
    const { store } = this.#parts;
    try {
      return await store.open(release);
    } catch (error) {
      await this.#download(release, signal).catch(() => {
        throw error;
      });
      return store.open(release);
    }
  }

  async #fetch(target: AssignedRelease, signal: AbortSignal): Promise<void> {
    await this.#report(target, 'DOWNLOADING');
    await this.#parts.store.checkSpace(target);
    try {
      await this.#download(target, signal);
    } catch (error) {
      if (error instanceof DownloadInterruptedError) throw error;
      const code = error instanceof DownloadCorruptError ? error.code : 'disk-failed';
      throw new StepError('FAILED', code, `the download failed: ${messageOf(error)}`);
    }
    await this.#advance(target, { stage: 'fetched' });
    await this.#report(target, 'DOWNLOADED');
  }

  #download({ sha256, length }: HeldRelease, signal: AbortSignal): Promise<void> {
    const path = routeUrl(deviceRoutes.blob, { params: { sha256 } });
    const open = (start: number, both: AbortSignal) => this.#parts.api.stream(path, start, both);
    return download({ path: this.#parts.store.sealedPath(sha256), length, sha256, open, signal });
  }

  async #admit(target: AssignedRelease, signal: AbortSignal): Promise<void> {
    const { store, slot } = this.#parts;
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
    const starts = journal.state.candidate?.probationStarts ?? 0;
    if (starts >= MOST_PROBATION_STARTS) {
      const words = `its probation was begun ${starts} times and never came to an end: the worker or the agent went down`;
      throw new StepError('ROLLED_BACK', 'crash-loop', words);
    }
    // What "several times slower" is compared with, measured by the release before until this very moment.
    const { frames, p95Ms } = serving.observe();
    const isMeasured = slot.serves !== null && frames >= FRAMES_FOR_P95;
    const servingDigest = slot.serves?.digest;
    await journal.update(({ candidate, committed }) =>
      candidate?.release.executionId !== target.executionId
        ? undefined
        : {
            candidate: { ...candidate, stage: 'probation', probationStarts: starts + 1 },
            ...(isMeasured && servingDigest === committed?.digest ? { committedP95Ms: p95Ms } : {}),
          },
    );
    await slot.promote();
    await this.#report(target, 'PROBATION');
    log.info({ release: target.release }, 'serving on probation');
  }

  async #probation(target: AssignedRelease, signal: AbortSignal): Promise<void> {
    const { journal, slot, serving } = this.#parts;
    const startedAt = performance.now();
    for (;;) {
      signal.throwIfAborted();
      if (slot.serves?.digest !== target.digest) {
        throw new StepError('ROLLED_BACK', 'worker-lost', `its worker ended on probation: ${slot.lastLoss}`);
      }
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

  async #commit(target: AssignedRelease, p95Ms: number): Promise<void> {
    const { executionId, probation: _, ...held } = target;
    const done = await this.#parts.journal.update((state) => {
      if (state.candidate?.release.executionId !== executionId) return undefined;
      return {
        committed: held,
        previous: state.committed?.digest === held.digest ? state.previous : state.committed,
        committedP95Ms: p95Ms > 0 ? p95Ms : state.committedP95Ms,
        rollbackFloor: Math.max(state.rollbackFloor, held.rollbackFloor),
        candidate: null,
        endedExecutions: withEnded(state.endedExecutions, executionId),
        notices: [...state.notices, { executionId, state: 'SUCCEEDED' as const }],
      };
    });
    if (!done) return;
    this.#unservable.delete(held.digest);
    this.#parts.log.info({ release: held.release }, 'committed');
    await this.#tidy();
  }

  async #confirm({ executionId }: AssignedRelease): Promise<void> {
    await this.#parts.journal.update((state) => {
      if (state.candidate?.release.executionId !== executionId) return undefined;
      return {
        candidate: null,
        endedExecutions: withEnded(state.endedExecutions, executionId),
        notices: [...state.notices, { executionId, state: 'SUCCEEDED' as const }],
      };
    });
  }

  /** The target is not to be: back to what was proven, and never again by the same execution. */
  async #giveUp(target: AssignedRelease, error: StepError): Promise<void> {
    const { journal, slot, log } = this.#parts;
    const { executionId } = target;
    const { code, message } = error;
    log.warn({ release: target.release, code }, message);
    await journal.update((state) => {
      if (state.candidate?.release.executionId !== executionId) return undefined;
      // Where nothing was committed before there is nothing to roll back to.
      const end = error.state === 'ROLLED_BACK' && state.committed === null ? 'FAILED' : error.state;
      return {
        candidate: null,
        endedExecutions: withEnded(state.endedExecutions, executionId),
        notices: [...state.notices, { executionId, state: end, reason: { code, message } }],
      };
    });
    await slot.discard();
    await this.#tidy();
  }

  /** Tells how executions ended, with what is running now, and forgets it once the spool has it. */
  async #deliverNotices(): Promise<void> {
    const { journal, reporter, slot } = this.#parts;
    for (const notice of journal.state.notices) {
      const running = slot.serves;
      await reporter.execution({ ...notice, ...(running === null ? {} : { digest: running.digest }) });
      await journal.update(({ notices }) => ({
        notices: notices.filter(({ executionId }) => executionId !== notice.executionId),
      }));
    }
  }

  async #advance(target: AssignedRelease, change: { readonly stage: 'fetched' }): Promise<void> {
    await this.#parts.journal.update(({ candidate }) =>
      candidate?.release.executionId === target.executionId ? { candidate: { ...candidate, ...change } } : undefined,
    );
  }

  async #tidy(): Promise<void> {
    const { journal, store, slot, log } = this.#parts;
    const { committed, previous, candidate } = journal.state;
    const kept = [committed, previous, candidate?.release].flatMap((release) => release?.sha256 ?? []);
    try {
      await store.collectGarbage(kept, slot.inUse);
    } catch (error) {
      log.warn({ err: error }, 'old releases could not be removed');
    }
  }

  #report(target: AssignedRelease, state: ExecutionRecord['state']): Promise<void> {
    return this.#parts.reporter.execution({ executionId: target.executionId, state });
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
