import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type DeviceFacts, exampleFacts } from '@aviary/hardware';
import {
  Backoff,
  type Labels,
  SIMULATED_STATES,
  type SimulatedState,
  type SimulationCounts,
  type SimulationPlan,
} from '@aviary/protocol';
import type { Logger } from 'pino';
import type { Invitation } from '../identity/enroll.ts';
import { type Character, characterOf } from './character.ts';
import { FleetFolder, type KeptDevice } from './fleet-folder.ts';
import { joinSimulated } from './join-simulated.ts';
import { SharedReleases } from './shared-releases.ts';
import { SimulatedDevice, type Surroundings } from './simulated-device.ts';
import { EMPTY_DISK, SharedMetadata } from './simulated-disk.ts';

const POLL_SECONDS = 60;
const SPOOL_BYTES = 2 ** 20;
const PATIENCE_SECONDS = 30;
/** A device that is not let in so often is left out. */
const MOST_JOIN_TRIES = 5;
/** Who waits longer than a request may take comes again under another name, and leaves the first one behind. */
const MOST_JOINING = 40;
const JOIN_PAUSE_MS = 500;
const LONGEST_JOIN_PAUSE_MS = 10_000;
const STOP_DEADLINE_MS = 10_000;
const MEGABYTE = 2 ** 20;

export interface FleetListener {
  /** A device has to join: an invitation of its own. @throws Error when there is none, with words for people */
  invite(device: number, labels: Labels): Promise<Invitation>;
  /** Something of which a person should know. */
  onTrouble(words: string): void;
}

/** Thousands of devices in this process, each a real member of the fleet. */
export class SimulatedFleet {
  readonly #plan: SimulationPlan;
  readonly #listener: FleetListener;
  readonly #log: Logger;
  readonly #devices = new Map<number, SimulatedDevice>();
  readonly #notJoined = new Set<number>();
  readonly #facts = new Map<string, DeviceFacts>();
  readonly #end = new AbortController();
  #folder: FleetFolder | undefined;
  #temporary: string | undefined;
  #surroundings: Surroundings | undefined;
  #arrivals: Promise<unknown> = Promise.resolve();

  constructor(plan: SimulationPlan, listener: FleetListener, log: Logger) {
    this.#plan = plan;
    this.#listener = listener;
    this.#log = log;
  }

  /** Begins to let the devices come, at their rate. @throws FleetFolderError; what the disk throws */
  async start(): Promise<void> {
    const { seed, stateDirectory, telemetrySeconds } = this.#plan;
    let kept = new Map<number, KeptDevice>();
    if (stateDirectory !== null) {
      this.#folder = new FleetFolder(stateDirectory);
      kept = await this.#folder.open(this.#plan);
    } else {
      this.#temporary = await mkdtemp(join(tmpdir(), 'aviary-sim-'));
    }
    const releases = new SharedReleases(stateDirectory ?? this.#temporary ?? '');
    await releases.start();
    this.#surroundings = {
      seed,
      releases,
      metadata: new SharedMetadata(),
      options: {
        telemetrySeconds,
        pollSeconds: POLL_SECONDS,
        spoolBytes: SPOOL_BYTES,
        patienceSeconds: PATIENCE_SECONDS,
      },
      log: this.#log,
    };
    this.#arrivals = this.#letCome(kept, this.#surroundings);
  }

  get counts(): SimulationCounts {
    const states: Partial<Record<SimulatedState, number>> = {};
    const running: Record<string, number> = {};
    let connected = 0;
    for (const device of this.#devices.values()) {
      states[device.state] = (states[device.state] ?? 0) + 1;
      if (device.isConnected) connected += 1;
      if (device.running !== undefined) running[device.running] = (running[device.running] ?? 0) + 1;
    }
    states['not-joined'] = this.#notJoined.size;
    states.joining = this.#plan.devices - this.#devices.size - this.#notJoined.size;
    const { user, system } = process.cpuUsage();
    return {
      devices: this.#plan.devices,
      joined: this.#devices.size,
      connected,
      converged: states.serving ?? 0,
      states: Object.fromEntries(SIMULATED_STATES.map((state) => [state, states[state] ?? 0])) as Record<
        SimulatedState,
        number
      >,
      running,
      cpuMs: Math.round((user + system) / 1000),
      memoryMB: Math.round(process.memoryUsage.rss() / MEGABYTE),
    };
  }

  /** All devices say good-bye, and are kept. */
  async stop(): Promise<void> {
    this.#end.abort(new Error('the simulation ends'));
    await this.#arrivals;
    const patience = new AbortController();
    const ended = Promise.allSettled([...this.#devices.values()].map((device) => device.stop()));
    // One whose disk hangs may not come to an end.
    await Promise.race([ended, pause(STOP_DEADLINE_MS, undefined, { signal: patience.signal }).catch(() => undefined)]);
    patience.abort();
    for (const [number, device] of this.#devices) await this.#folder?.keep(number, await device.image());
    await this.#surroundings?.releases.stop();
    if (this.#temporary !== undefined) await rm(this.#temporary, { recursive: true, force: true });
  }

  async #letCome(kept: ReadonlyMap<number, KeptDevice>, surroundings: Surroundings): Promise<void> {
    const beganAt = performance.now();
    const coming = new Set<Promise<void>>();
    for (let number = 0; number < this.#plan.devices; number += 1) {
      const early = beganAt + (number * 1000) / this.#plan.joinsPerSecond - performance.now();
      if (early > 1) await pause(early, undefined, { signal: this.#end.signal }).catch(() => undefined);
      if (coming.size >= MOST_JOINING) await Promise.race(coming);
      if (this.#end.signal.aborted) break;
      const came = this.#come(number, kept.get(number), surroundings)
        .catch((error: unknown) => this.#listener.onTrouble(wordsOf(error)))
        .finally(() => coming.delete(came));
      coming.add(came);
    }
    await Promise.all(coming);
  }

  async #come(number: number, kept: KeptDevice | undefined, surroundings: Surroundings): Promise<void> {
    const character = characterOf(this.#plan, number);
    const facts = this.#factsOf(character.profile);
    const { identity, disk } = kept ?? { identity: await this.#join(number, character, facts), disk: EMPTY_DISK };
    if (identity === undefined || this.#end.signal.aborted) return;
    const device = new SimulatedDevice(surroundings, character, facts, identity, disk);
    this.#devices.set(number, device);
    // What has joined is kept, whatever becomes of this process.
    if (kept === undefined) await this.#folder?.keep(number, { identity, disk });
    await device.start();
  }

  async #join(number: number, character: Character, facts: DeviceFacts) {
    const waiting = new Backoff(JOIN_PAUSE_MS, LONGEST_JOIN_PAUSE_MS, Math.random);
    for (let tries = 1; !this.#end.signal.aborted; tries += 1) {
      try {
        const invitation = await this.#listener.invite(number, character.labels);
        return await joinSimulated(invitation, character.name, facts);
      } catch (error) {
        if (this.#end.signal.aborted) return undefined;
        if (tries === MOST_JOIN_TRIES) {
          this.#notJoined.add(number);
          this.#listener.onTrouble(`${character.name} has not joined: ${wordsOf(error)}`);
          return undefined;
        }
      }
      await pause(waiting.next(), undefined, { signal: this.#end.signal }).catch(() => undefined);
    }
    return undefined;
  }

  /** The same object for all boards of a kind. */
  #factsOf(profile: string): DeviceFacts {
    const known = this.#facts.get(profile) ?? { ...exampleFacts(profile), simulated: true };
    this.#facts.set(profile, known);
    return known;
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
