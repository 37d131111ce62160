import { setTimeout as pause } from 'node:timers/promises';
import type { DeviceFacts } from '@aviary/hardware';
import { deviceRoutes, type SimulatedState } from '@aviary/protocol';
import type { Logger } from 'pino';
import { FleetMember, type MemberOptions } from '../fleet-member.ts';
import type { Credentials } from '../identity/credentials.ts';
import type { Identity } from '../identity/identity.ts';
import { seededRandom } from '../seeded-random.ts';
import { Journal, type JournalState } from '../state/journal.ts';
import type { ReporterOptions } from '../telemetry/reporter.ts';
import type { Character, Silence } from './character.ts';
import type { SharedReleases } from './shared-releases.ts';
import { type DiskImage, type SharedMetadata, SimulatedDisk } from './simulated-disk.ts';
import { SimulatedServing } from './simulated-serving.ts';
import { simulatedWorkers } from './simulated-worker.ts';

/** What all devices of a simulation have in common. */
export interface Surroundings {
  readonly seed: number;
  readonly releases: SharedReleases;
  readonly metadata: SharedMetadata;
  readonly options: MemberOptions;
  readonly log: Logger;
}

const STATES: Readonly<Record<NonNullable<JournalState['candidate']>['stage'], SimulatedState>> = {
  assigned: 'downloading',
  fetched: 'installing',
  probation: 'probation',
};

/** A device that has joined: a real member of its fleet, on a board that is played. */
export class SimulatedDevice {
  readonly #surroundings: Surroundings;
  readonly #character: Character;
  readonly #facts: DeviceFacts;
  readonly #disk: SimulatedDisk;
  readonly #pace: () => number;
  readonly #end = new AbortController();
  #identity: Identity;
  #journal: Journal | undefined;
  #member: FleetMember | undefined;
  #silence: Silence | undefined;

  constructor(
    surroundings: Surroundings,
    character: Character,
    facts: DeviceFacts,
    identity: Identity,
    image: DiskImage,
  ) {
    this.#surroundings = surroundings;
    this.#character = character;
    this.#facts = facts;
    this.#identity = identity;
    this.#pace = this.#drawsOf('pace');
    const metadata = surroundings.metadata.keptMetadata();
    this.#disk = new SimulatedDisk(image, metadata, (text) => this.#beforeJournal(text));
  }

  async start(): Promise<void> {
    const { releases, options, log } = this.#surroundings;
    const journal = await Journal.over(this.#disk.journal, this.#identity);
    const takeTime = (usualMs: number) => this.#takeTime(usualMs);
    const member = new FleetMember(
      this.#identity,
      {
        journal,
        store: releases.storeOf(this.#identity, takeTime),
        spoolFiles: this.#disk.spool,
        metadata: this.#disk.metadata,
        keepCredentials: async (credentials: Credentials) => {
          this.#identity = { ...this.#identity, ...credentials };
        },
        serving: new SimulatedServing(this.#character, this.#drawsOf('windows')),
        startWorker: simulatedWorkers(this.#character, takeTime),
        preparation: null,
        memory: { shortage: () => undefined },
        meter: meterOf(this.#facts),
        openThrottling: async () => ({ causes: () => [], close: () => undefined }),
        facts: this.#facts,
        profile: this.#character.profile,
      },
      options,
      {
        onSwitching: async () => undefined,
        onConnected: () => undefined,
        onRound: () => undefined,
        onOperatorProfile: () => void declineProfile(member),
      },
      log,
    );
    this.#journal = journal;
    this.#member = member;
    await member.open();
    await member.start();
  }

  get isConnected(): boolean {
    return this.#member?.isConnected === true;
  }

  /** Name of the release that serves. */
  get running(): string | undefined {
    return this.#member?.slot.serves?.release;
  }

  get state(): SimulatedState {
    if (this.#silence !== undefined) return 'silent';
    const candidate = this.#journal?.state.candidate ?? null;
    if (candidate !== null) return STATES[candidate.stage];
    return this.running === undefined ? 'idle' : 'serving';
  }

  /** All that it knows when it is started again. */
  async image(): Promise<{ readonly identity: Identity; readonly disk: DiskImage }> {
    return { identity: this.#identity, disk: await this.#disk.image() };
  }

  /** Says good-bye, unless it has gone already. */
  async stop(): Promise<void> {
    this.#end.abort(new Error('the simulation ends'));
    const member = this.#member;
    this.#member = undefined;
    if (member === undefined) return;
    member.rest();
    await Promise.allSettled([member.reporter.stop()]);
    await member.leave();
    member.close();
  }

  /** A device that is to fall silent does so when it notes what was assigned to it, and never comes back in this run. */
  #beforeJournal(text: string): Promise<void> | undefined {
    const candidate = (JSON.parse(text) as Pick<JournalState, 'candidate'>).candidate;
    if (candidate === null) return undefined;
    this.#silence ??= this.#character.silence(candidate.release.release);
    if (this.#silence === undefined) return undefined;
    if (this.#silence === 'vanishes') void this.stop();
    return new Promise(() => undefined);
  }

  #drawsOf(what: string): () => number {
    return seededRandom(`aviary simulation v1 ${this.#surroundings.seed} ${this.#character.name} ${what}`);
  }

  /** Each wait is half to one and a half of what it is on this device. */
  #takeTime(usualMs: number): Promise<void> {
    const ms = usualMs * this.#character.slowness * (0.5 + this.#pace());
    return pause(ms, undefined, { signal: this.#end.signal });
  }
}

/** A board that is played runs no operators. */
const declineProfile = async ({ api, reporter }: FleetMember): Promise<void> => {
  try {
    const { id } = await api.call(deviceRoutes.operatorProfileTask, {});
    const refusal = { code: 'simulated', message: 'This device is simulated: no model runs on it.' };
    await reporter.operatorProfile({ request: id, profile: null, refusal });
  } catch {
    // It was not reached, or nobody asks any more; whoever asked sees that it does not answer.
  }
};

/** A board that has little to do. */
const meterOf = ({ memoryMB, diskFreeMB }: DeviceFacts): ReporterOptions['meter'] => {
  const board = {
    memoryFreeMB: Math.floor(memoryMB / 2),
    load1: 0.5,
    temperatureC: 52,
    throttled: [],
    ...(diskFreeMB === undefined ? {} : { diskFreeMB }),
  };
  const process = { rssBytes: 120 * 2 ** 20, cpuPercent: 20 };
  return { read: async () => ({ process, board, news: null }), close: () => undefined };
};
