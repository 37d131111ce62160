import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionRecord, ThrottleCause } from '@aviary/protocol';
import type { Probation, SwitchTerms } from '@aviary/release';
import { pino } from 'pino';
import { type AssignedRelease, type Candidate, Journal, type JournalState } from '../state/journal.ts';
import { CrashWatch } from '../update/crash-watch.ts';
import { Holding } from '../update/holding.ts';
import { ReleaseStore } from '../update/release-store.ts';
import { UpdateLoop } from '../update/update-loop.ts';
import { Updater, type UpdaterParts } from '../update/updater.ts';
import type { BlobServer } from './blob-server.ts';
import { FakeSlot, type Manner } from './fake-slot.ts';
import { identity, type SealedRelease } from './sealed-release.ts';

const log = pino({ level: 'silent' });
export const PROBATION: Probation = {
  seconds: 0,
  minFrames: 1,
  maxErrorRate: 0.1,
  maxLowConfidenceRate: 0.5,
  maxP95Ratio: 3,
};

/** A release as an execution assigns it. */
export const assigned = (
  { held }: SealedRelease,
  executionId: string,
  probation = PROBATION,
  terms?: SwitchTerms,
): AssignedRelease => ({ ...held, executionId, probation, ...(terms === undefined ? {} : { terms }) });

/** The same, as it stands in the journal before it was tried. */
export const candidateOf = (release: AssignedRelease, stage: Candidate['stage'] = 'assigned'): Candidate => ({
  release,
  stage,
  probationStarts: 0,
  allowedUntil: Number.MAX_SAFE_INTEGER,
});

/** Something has to be built of this release on the device, and is, or fails as it is said. */
export const preparing = ({ held }: SealedRelease, failure?: Error): NonNullable<UpdaterParts['preparation']> => ({
  isNeeded: ({ digest }) => digest === held.digest,
  ready: async (_, { onBuild } = {}) => {
    await onBuild?.();
    if (failure !== undefined) throw failure;
    return {};
  },
});

/** The power is gone: nothing that this run of the agent does has any effect from then on. */
export class PowerCut extends Error {}

/**
 * One device's disk and its runs: a real journal, a real store and a real download, with workers that are played. Each
 * run starts as the agent does after the power came back.
 */
export class UpdateRig {
  readonly #folder: string;
  readonly #server: BlobServer;
  readonly #manners: Readonly<Record<string, Manner>>;
  /** What was reported, over all runs: execution states with their reasons, and codes of events. */
  readonly reports: Omit<ExecutionRecord, 'type' | 'at'>[] = [];
  readonly events: string[] = [];
  /** What is missing for a second release in memory, in words; undefined: nothing. */
  shortage: string | undefined;
  /** Why the board slows itself down; undefined: it does not tell. */
  throttling: readonly ThrottleCause[] | undefined;
  /** Why only one release can use its accelerator, in words; null: several can. */
  excludes: string | null = null;
  readonly crashes = new CrashWatch();
  /** What has to be built of releases on this device; null: nothing. */
  preparation: UpdaterParts['preparation'] = null;

  constructor(folder: string, server: BlobServer, manners: Readonly<Record<string, Manner>> = {}) {
    this.#folder = folder;
    this.#server = server;
    this.#manners = manners;
  }

  /** States of an execution, in the order in which they were reported. */
  states(executionId: string): string[] {
    return this.reports.filter((report) => report.executionId === executionId).map(({ state }) => state);
  }

  openJournal(): Promise<Journal> {
    return Journal.open(this.#folder, identity);
  }

  async write(state: Partial<JournalState>): Promise<void> {
    await (await this.openJournal()).update(() => state);
  }

  /** Puts a release's sealed bytes onto the disk. */
  async keep(...releases: readonly SealedRelease[]): Promise<void> {
    await mkdir(join(this.#folder, 'releases'), { recursive: true });
    for (const { held, sealed } of releases) await writeFile(join(this.#folder, 'releases', held.sha256), sealed);
  }

  /**
   * Starts the agent's updater.
   * @param cutAfter effects on the journal, the workers or the spool that still happen before the power is gone
   */
  async start(cutAfter = Number.POSITIVE_INFINITY) {
    const plain = join(this.#folder, `plain-${Math.random()}`);
    await mkdir(plain);
    const journal = await this.openJournal();
    const store = new ReleaseStore(join(this.#folder, 'releases'), plain, identity);
    await store.start();
    const slot = new FakeSlot(this.#manners);
    slot.excludes = this.excludes;
    let left = cutAfter;
    const power = (): void => {
      if (left <= 0) throw new PowerCut('the power is gone');
      left -= 1;
    };
    slot.during = power;
    const powered: Pick<Journal, 'state' | 'update'> = {
      get state() {
        return journal.state;
      },
      update: async (decide) => {
        power();
        const changed = await journal.update(decide);
        power();
        return changed;
      },
    };
    const holding = new Holding(powered, 'UTC');
    const updater = new Updater({
      journal: powered,
      holding,
      store,
      slot,
      serving: slot,
      memory: { shortage: () => this.shortage },
      crashes: this.crashes,
      preparation: this.preparation,
      api: { stream: (path, start, signal) => this.#server.open(start, signal, path) },
      patienceMs: 30_000,
      onProgress: () => loop.showLife(),
      providers: ['cpu'],
      openThrottling: async () => ({ causes: () => this.throttling, close: () => undefined }),
      reporter: {
        execution: async (report) => {
          power();
          this.reports.push(report);
          power();
        },
        event: async (_, code) => {
          power();
          this.events.push(code);
        },
      },
      log,
    });
    const loop: UpdateLoop = new UpdateLoop((signal) => updater.step(signal), log);
    return { journal, store, slot, updater, holding, loop };
  }

  /** Runs the agent until it has nothing to do. @returns whether it came to that before the power was gone */
  async run(cutAfter?: number) {
    const agent = await this.start(cutAfter);
    const { signal } = new AbortController();
    try {
      while ((await agent.updater.step(signal)) === true);
      return { ...agent, finished: true };
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      return { ...agent, finished: false };
    }
  }
}
