import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { exampleFacts } from '@aviary/hardware';
import { pino } from 'pino';
import { vi } from 'vitest';
import { FleetMember } from '../../apps/agent/src/fleet-member.ts';
import type { Identity } from '../../apps/agent/src/identity/identity.ts';
import { seededRandom } from '../../apps/agent/src/seeded-random.ts';
import type { Character } from '../../apps/agent/src/simulation/character.ts';
import { SimulatedServing } from '../../apps/agent/src/simulation/simulated-serving.ts';
import { simulatedWorkers } from '../../apps/agent/src/simulation/simulated-worker.ts';
import { Journal } from '../../apps/agent/src/state/journal.ts';
import { SpoolDirectory } from '../../apps/agent/src/telemetry/spool-files.ts';
import { ReleaseStore } from '../../apps/agent/src/update/release-store.ts';

const log = pino({ level: process.env.AVIARY_LOG_LEVEL ?? 'silent' });

export const WINDOW_SECONDS = 300;
const POLL_SECONDS = 300;
/** Turns of the event loop in which what a tick has begun comes to its next wait. */
const TURNS = 20;

const STEADY: Character = {
  name: 'patient',
  profile: 'rpi4',
  labels: {},
  p95Ms: 50,
  unsure: 0.01,
  drifts: false,
  slowness: 1,
  failure: () => undefined,
  silence: () => undefined,
  regression: () => 1,
};

/**
 * A device to which weeks pass in seconds: the agent's own network, journal, store and spool, with frames and workers that are
 * played. Its clocks and timers are the test's; those of sockets are not.
 */
export class PatientDevice {
  readonly journal: Journal;
  readonly member: FleetMember;

  private constructor(journal: Journal, member: FleetMember) {
    this.journal = journal;
    this.member = member;
  }

  /** @param spoolBytes most that may wait on its disk */
  static async start(folder: string, identity: Identity, spoolBytes: number): Promise<PatientDevice> {
    vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    const opened = join(folder, 'opened');
    await mkdir(opened);
    const journal = await Journal.open(folder, identity);
    const board = { memoryFreeMB: 512, load1: 0.5 };
    const member = new FleetMember(
      identity,
      {
        journal,
        store: new ReleaseStore(join(folder, 'releases'), opened, identity),
        spoolFiles: new SpoolDirectory(join(folder, 'spool')),
        metadata: join(folder, 'trust'),
        keepCredentials: async () => undefined,
        serving: new SimulatedServing(STEADY, seededRandom('a week')),
        preparation: null,
        startWorker: simulatedWorkers(STEADY, async () => undefined),
        memory: { shortage: () => undefined },
        openThrottling: async () => ({ causes: () => undefined, close: () => undefined }),
        meter: {
          read: async () => ({ process: { rssBytes: 2 ** 27, cpuPercent: 20 }, board, news: null }),
          close: () => undefined,
        },
        facts: exampleFacts('rpi4'),
        profile: 'rpi4',
      },
      { telemetrySeconds: WINDOW_SECONDS, pollSeconds: POLL_SECONDS, spoolBytes, patienceSeconds: 30 },
      {
        onSwitching: async () => undefined,
        onConnected: () => undefined,
        onRound: () => undefined,
        onOperatorProfile: () => undefined,
      },
      log,
    );
    await member.open();
    await member.start();
    return new PatientDevice(journal, member);
  }

  /** Name of the release that serves. */
  get serves(): string | undefined {
    return this.member.slot.serves?.release;
  }

  /** Lets time pass, a window's length at a time. What is said meanwhile is on its disk when this resolves. */
  async pass(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left -= WINDOW_SECONDS) {
      vi.advanceTimersByTime(Math.min(left, WINDOW_SECONDS) * 1000);
      for (let turn = 0; turn < TURNS; turn += 1) await new Promise(setImmediate);
    }
    // Kept in its order, after all that was said before.
    await this.member.reporter.event('info', 'hour', String(Date.now()));
  }

  /** Lets seconds pass while real packets go, until it is so. @throws naming what was waited for */
  async until(what: string, isSo: () => boolean): Promise<void> {
    for (let second = 0; !isSo(); second += 1) {
      if (second > 1_200) throw new Error(`waited for ${what}`);
      vi.advanceTimersByTime(1_000);
      await pause(5);
    }
  }

  async stop(): Promise<void> {
    this.member.rest();
    await this.member.reporter.stop();
    await this.member.leave();
    this.member.close();
    vi.useRealTimers();
  }
}
