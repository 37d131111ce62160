import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exampleFacts } from '@aviary/hardware';
import { pino } from 'pino';
import type { Identity } from '../../apps/agent/src/identity/identity.ts';
import { grayPng } from '../../apps/agent/src/inference/testing/light-release.ts';
import { type Supervisor, type SupervisorOptions, startSupervisor } from '../../apps/agent/src/supervisor.ts';
import type { TestPki } from '../../apps/agent/src/testing/fleet-pki.ts';
import { askMetrics, openResults } from '../../apps/agent/src/testing/local-client.ts';
import { identity } from '../../apps/agent/src/testing/sealed-release.ts';
import type { DevicePlane } from './device-plane.ts';

const log = pino({ level: process.env.AVIARY_LOG_LEVEL ?? 'silent' });

/** The processes that answer frames, and give them. */
export type Programs = Pick<SupervisorOptions, 'worker' | 'capture'>;

const INFERENCE = new URL('../../apps/agent/dist/inference/', import.meta.url);
const built = (path: string): string => fileURLToPath(new URL(path, INFERENCE));

/** The agent's own, as they are built. */
export const REAL_PROGRAMS: Programs = {
  worker: { workerPath: built('worker/worker-main.js') },
  capture: { capturePath: built('capture/capture-main.js') },
};
/** Light ones, that only play it. */
export const PLAYED_PROGRAMS: Programs = {
  worker: { workerPath: fileURLToPath(new URL('./played-worker.ts', import.meta.url)) },
  capture: { capturePath: fileURLToPath(new URL('./played-capture.ts', import.meta.url)) },
};

/** One run of the whole agent, and who answers frames, as an application on the board sees it. */
export class RunningDevice {
  /** Releases that have answered frames since the start, in order. */
  readonly served: string[] = [];
  /** Told of each of them. */
  onServed: (release: string) => void = () => undefined;
  readonly #folder: string;
  readonly #supervisor: Supervisor;
  readonly #plane: DevicePlane;
  readonly #results: Awaited<ReturnType<typeof openResults>>;

  private constructor(
    folder: string,
    supervisor: Supervisor,
    plane: DevicePlane,
    results: Awaited<ReturnType<typeof openResults>>,
  ) {
    this.#folder = folder;
    this.#supervisor = supervisor;
    this.#plane = plane;
    this.#results = results;
  }

  /** @param stateDirectory what survives a power cut; all else is gone with the run */
  static async start(
    stateDirectory: string,
    plane: DevicePlane,
    pki: TestPki,
    change: Partial<SupervisorOptions> = {},
  ): Promise<RunningDevice> {
    const folder = await mkdtemp(join(tmpdir(), 'aviary-run-'));
    const pictures = join(folder, 'pictures');
    await mkdir(pictures);
    await writeFile(join(pictures, '1.png'), await grayPng(255));
    const { fleetCa, device: credentials } = pki;
    const urls = await plane.start(pki);
    const who: Identity = { ...identity, ...urls, fleetCa, ...credentials };
    const socket = join(folder, 'agent.sock');
    const options: SupervisorOptions = {
      stateDirectory,
      source: { kind: 'directory', path: pictures },
      fps: 50,
      telemetrySeconds: 3_600,
      pollSeconds: 3_600,
      spoolBytes: 2 ** 20,
      patienceSeconds: 30,
      plaintextDirectory: join(folder, 'plain'),
      socket,
      learnSamples: null,
      ...PLAYED_PROGRAMS,
      ...change,
    };
    const supervisor = await startSupervisor(who, exampleFacts('rpi4'), options, log);
    const device = new RunningDevice(folder, supervisor, plane, await openResults(socket));
    void device.#watch();
    return device;
  }

  /** Frames that were let go since the start, for whatever reason, as the board's own metrics have it. */
  async framesDropped(): Promise<number> {
    const { text } = await askMetrics(join(this.#folder, 'agent.sock'));
    const counts = [...text.matchAll(/^aviary_agent_frames_dropped_total\{.*\} (\d+)$/gm)];
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async stop(): Promise<void> {
    await this.#supervisor.stop();
    this.#results.close();
    await this.#plane.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #watch(): Promise<void> {
    try {
      for (let event = await this.#results.next(); event !== undefined; event = await this.#results.next()) {
        const release: string = event.data.release;
        if (event.event !== 'result' || this.served.at(-1) === release) continue;
        this.served.push(release);
        this.onServed(release);
      }
    } catch {
      // The agent has ended, and the stream with it.
    }
  }
}
