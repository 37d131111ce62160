import { type ChildProcess, spawn } from 'node:child_process';
import { SIMULATED_STATES, type SimulationCounts } from '@aviary/protocol';
import { AVIARY, type TestFleet, until } from './test-fleet.ts';

/** What `aviary sim -o json` says when it has ended. */
export interface SimulationSummary extends SimulationCounts {
  readonly seconds: number;
  readonly cpuMsPerDevice: number;
}

/** A run of `aviary sim`, as a user starts it. */
export class RunningSimulation {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #stdout = '';
  #stderr = '';

  constructor(fleet: Pick<TestFleet, 'server' | 'data'>, args: readonly string[]) {
    const env = { ...process.env, AVIARY_SERVER: fleet.server, AVIARY_DATA: fleet.data };
    const child = spawn(process.execPath, [AVIARY, 'sim', '-o', 'json', ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('close', resolve));
  }

  /** What it has said to people. */
  get words(): string {
    return this.#stderr;
  }

  /** The newest line of how the fleet is, once there is one. */
  get line(): string | undefined {
    return this.#stderr
      .trimEnd()
      .split('\n')
      .findLast((line) => line.includes(' joined, '));
  }

  /** Waits until so many devices have joined and are connected, as it says itself. */
  connected(devices: number, seconds: number): Promise<true> {
    const line = `${devices}/${devices} joined, ${devices} connected`;
    return until(line, seconds, async () => {
      if (this.#child.exitCode !== null) throw new Error(this.#stderr);
      return this.#stderr.includes(line) ? true : undefined;
    });
  }

  /** Ctrl-C. @returns the exit code, and what it printed */
  async interrupt(): Promise<{ readonly code: number | null; readonly summary: SimulationSummary }> {
    this.#child.kill('SIGINT');
    return this.ended();
  }

  async ended(): Promise<{ readonly code: number | null; readonly summary: SimulationSummary }> {
    const code = await this.#ended;
    return { code, summary: JSON.parse(this.#stdout) as SimulationSummary };
  }

  /** Ends it, whatever it is at. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}

/** The sum over all states. */
export const inAnyState = ({ states }: Pick<SimulationCounts, 'states'>): number =>
  SIMULATED_STATES.reduce((sum, state) => sum + (states[state] ?? 0), 0);
