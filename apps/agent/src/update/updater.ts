import type { ExecutionRecord } from '@aviary/protocol';
import type { Logger } from 'pino';
import type { Serving } from '../inference/serving.ts';
import type { DeviceApi } from '../link/device-api.ts';
import type { AssignedRelease, HeldRelease, Journal } from '../state/journal.ts';
import { DownloadCorruptError, DownloadInterruptedError, download } from './download.ts';
import { plan, type Step } from './planner.ts';
import { judgeProbation } from './probation-judge.ts';
import type { ReleaseStore } from './release-store.ts';
import type { ServingSlot } from './serving-slot.ts';
import { StepError } from './step-error.ts';

const LOOK_AT_PROBATION_MS = 250;
/** A release during whose probation the agent itself went down so often is given up. */
const MOST_PROBATION_STARTS = 3;

/** What the updater tells; it is on disk when the promise resolves. */
export interface UpdateReporter {
  execution(record: Omit<ExecutionRecord, 'type' | 'at'>): Promise<void>;
  event(level: 'info' | 'warning' | 'error', code: string, message: string): Promise<void>;
}

type Executor = (step: never, signal: AbortSignal) => Promise<void>;

/** Carries out what the planner says: a table from a step's name to the code that does it. */
export class Updater {
  private readonly executors: { readonly [Kind in Step['kind']]: Executor };

  constructor(
    private readonly journal: Journal,
    private readonly store: ReleaseStore,
    private readonly slot: ServingSlot,
    private readonly serving: Serving,
    private readonly api: DeviceApi,
    private readonly providers: readonly string[],
    private readonly reporter: UpdateReporter,
    private readonly log: Logger,
  ) {
    this.executors = {
      serve: (step: Extract<Step, { kind: 'serve' }>) => this.serve(step.release),
      fetch: (step: Extract<Step, { kind: 'fetch' }>, signal) => this.fetch(step.target, signal),
      admit: (step: Extract<Step, { kind: 'admit' }>) => this.admit(step.target),
      switch: (step: Extract<Step, { kind: 'switch' }>) => this.switchTo(step.target),
      probation: (step: Extract<Step, { kind: 'probation' }>, signal) => this.probation(step.target, signal),
      confirm: (step: Extract<Step, { kind: 'confirm' }>) => this.confirm(step.target),
    };
  }

  /** What would be done next. */
  plan(): Step[] {
    const { committed, stage, endedExecutions, target } = this.journal.state;
    const loaded = this.slot.standsReady ?? this.slot.serves;
    return plan(
      {
        committed,
        stage,
        serving: this.slot.serves?.release.digest ?? null,
        admitted: loaded?.release.digest ?? null,
        ended: endedExecutions,
      },
      target,
    );
  }

  /**
   * Does the next thing. @returns whether there was one
   * @throws DownloadInterruptedError, to be tried again later; AbortError when told to stop for something newer
   */
  async step(signal: AbortSignal): Promise<boolean> {
    const [step] = this.plan();
    if (step === undefined) return false;
    this.log.debug({ step: step.kind }, 'next step');
    try {
      await this.executors[step.kind](step as never, signal);
    } catch (error) {
      if (error instanceof StepError && step.kind !== 'serve') await this.giveUp(step.target, error);
      else throw error;
    }
    return true;
  }

  /** The candidate's worker was lost: on probation that is an answer. */
  async lost(release: HeldRelease, words: string): Promise<void> {
    const { target, stage } = this.journal.state;
    if (target === null || stage !== 'probation' || target.digest !== release.digest) return;
    await this.giveUp(target, new StepError('ROLLED_BACK', 'worker-lost', `its worker ended on probation: ${words}`));
  }

  private async serve(release: HeldRelease): Promise<void> {
    const folder = await this.store.open(release);
    await this.slot.load(release, folder, this.providers);
    await this.slot.promote();
    this.log.info({ release: release.release }, 'serving');
  }

  private async fetch(target: AssignedRelease, signal: AbortSignal): Promise<void> {
    await this.report(target, 'DOWNLOADING');
    await this.store.checkSpace(target);
    const path = this.store.sealedPath(target);
    const open = (start: number, both: AbortSignal) =>
      this.api.stream(`/device/v1/blobs/${target.sha256}`, start, both);
    try {
      await download({ path, length: target.length, sha256: target.sha256, open, signal });
    } catch (error) {
      if (error instanceof DownloadInterruptedError) throw error;
      const code =
        error instanceof DownloadCorruptError
          ? error.code
          : ((error as NodeJS.ErrnoException).code ?? 'disk').toLowerCase();
      throw new StepError('FAILED', code, `the download failed: ${messageOf(error)}`);
    }
    await this.journal.update({ stage: 'fetched' });
    await this.report(target, 'DOWNLOADED');
  }

  private async admit(target: AssignedRelease): Promise<void> {
    const folder = await this.store.open(target);
    await this.report(target, 'VERIFIED');
    await this.report(target, 'INSTALLING');
    let loaded: Awaited<ReturnType<ServingSlot['load']>>;
    let outcome: Awaited<ReturnType<typeof loaded.worker.runAcceptance>>;
    try {
      loaded = await this.slot.load(target, folder, this.providers);
      outcome = await loaded.worker.runAcceptance();
    } catch (error) {
      throw new StepError('FAILED', 'admission-did-not-run', `the release does not run here: ${messageOf(error)}`);
    }
    const { requested, effective } = loaded.worker.provider;
    if (requested[0] !== undefined && requested[0] !== effective) {
      await this.reporter.event(
        'warning',
        'provider-fallback',
        `${target.release} asked for ${requested.join(', ')} and runs on ${effective}`,
      );
    }
    if (!outcome.passed) {
      const words = outcome.failures.map((failure) => failure.words).join('; ');
      throw new StepError('FAILED', 'admission', `the acceptance suite did not pass on this device: ${words}`);
    }
  }

  private async switchTo(target: AssignedRelease): Promise<void> {
    const { probationStarts, committed, committedP95Ms } = this.journal.state;
    if (probationStarts >= MOST_PROBATION_STARTS) {
      throw new StepError(
        'ROLLED_BACK',
        'crash-loop',
        `the agent went down ${probationStarts} times while it was on probation`,
      );
    }
    // What "several times slower" is compared with, measured by the release before until this very moment.
    const p95 = this.slot.serves?.release.digest === committed?.digest ? this.serving.observe().p95Ms : 0;
    await this.journal.update({
      stage: 'probation',
      probationStarts: probationStarts + 1,
      committedP95Ms: committed === null ? null : p95 > 0 ? p95 : committedP95Ms,
    });
    await this.slot.promote();
    await this.report(target, 'PROBATION');
    this.log.info({ release: target.release }, 'serving on probation');
  }

  private async probation(target: AssignedRelease, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    for (;;) {
      signal.throwIfAborted();
      // Its worker was lost: whoever noticed has drawn the conclusion.
      if (this.journal.state.endedExecutions.includes(target.executionId)) return;
      const elapsed = (performance.now() - startedAt) / 1000;
      const outcome = judgeProbation(
        target.probation,
        this.serving.observe(),
        this.journal.state.committedP95Ms,
        elapsed,
      );
      if (outcome.verdict === 'failed') throw new StepError('ROLLED_BACK', outcome.code, outcome.words);
      if (outcome.verdict === 'passed') break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AT_PROBATION_MS));
    }
    await this.commit(target);
  }

  private async commit(target: AssignedRelease): Promise<void> {
    const { committed, rollbackFloor } = this.journal.state;
    const { executionId: _e, probation: _p, ...held } = target;
    await this.journal.update({
      committed: held,
      previous: committed,
      rollbackFloor: Math.max(rollbackFloor, target.rollbackFloor),
      endedExecutions: this.journal.withEnded(target.executionId),
      target: null,
      stage: 'assigned',
    });
    await this.report(target, 'SUCCEEDED', { digest: target.digest });
    this.log.info({ release: target.release }, 'committed');
    await this.tidy();
  }

  private async confirm(target: AssignedRelease): Promise<void> {
    await this.journal.update({
      endedExecutions: this.journal.withEnded(target.executionId),
      target: null,
      stage: 'assigned',
    });
    await this.report(target, 'SUCCEEDED', { digest: target.digest });
  }

  /** The target is not to be: back to what was proven, and never again by the same execution. */
  private async giveUp(target: AssignedRelease, error: StepError): Promise<void> {
    if (this.journal.state.endedExecutions.includes(target.executionId)) return;
    this.log.warn({ release: target.release, code: error.code }, error.message);
    await this.journal.update({
      endedExecutions: this.journal.withEnded(target.executionId),
      target: null,
      stage: 'assigned',
    });
    await this.slot.discard();
    await this.report(target, error.state, { reason: { code: error.code, message: error.message } });
    const { committed } = this.journal.state;
    if (committed === null && this.slot.serves?.release.digest === target.digest) await this.slot.stopServing();
    await this.tidy();
  }

  private async tidy(): Promise<void> {
    const { committed, previous, target } = this.journal.state;
    await this.store.collectGarbage([committed, previous, target]);
    const inUse = [this.slot.serves?.release.digest, this.slot.standsReady?.release.digest, committed?.digest];
    if (previous !== null && !inUse.includes(previous.digest)) await this.store.close(previous.digest);
  }

  private report(
    target: AssignedRelease,
    state: ExecutionRecord['state'],
    more: Pick<ExecutionRecord, 'reason' | 'digest'> = {},
  ): Promise<void> {
    return this.reporter.execution({ executionId: target.executionId, state, ...more });
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
