import { statfs } from 'node:fs/promises';
import type { MetricsRecord } from '@aviary/protocol';
import { BoardRoot } from '../facts/board-root.ts';
import { ProcessUsageMeter } from '../inference/process-usage.ts';
import { BoardSensors, type ZoneTemperature } from './board/board-sensors.ts';
import { type ThrottleNews, ThrottleWatch } from './board/throttle-watch.ts';

const MEGABYTE = 2 ** 20;

export interface BoardReading extends Pick<MetricsRecord, 'process' | 'board'> {
  /** What a person should hear of how fast the board is; null: nothing new. */
  readonly news: ThrottleNews | null;
}

export interface BoardMeterOptions {
  /** Whose disk counts. */
  readonly stateDirectory: string;
  /** Degrees Celsius from which such boards slow themselves down, where the profile says it. */
  readonly throttleC?: number | undefined;
  /** The board's files. */
  readonly root?: BoardRoot;
}

/** What the agent and its workers take of the board, and how that is. Reads files, starts nothing. */
export class BoardMeter {
  readonly #stateDirectory: string;
  readonly #root: BoardRoot;
  readonly #usage = new ProcessUsageMeter();
  readonly #throttling: ThrottleWatch;
  #sensors: Promise<BoardSensors> | undefined;

  constructor({ stateDirectory, throttleC, root = new BoardRoot() }: BoardMeterOptions) {
    this.#stateDirectory = stateDirectory;
    this.#root = root;
    this.#throttling = new ThrottleWatch(throttleC);
  }

  /**
   * @param workerPid the process that serves; null: none
   * @param sidecarPid the one that runs its models; null: it does that by itself
   */
  async read(workerPid: number | null, sidecarPid: number | null = null): Promise<BoardReading> {
    this.#sensors ??= BoardSensors.find(this.#root);
    const sensors = await this.#sensors;
    const disk = await statfs(this.#stateDirectory).catch(() => undefined);
    const pids = [process.pid, workerPid, sidecarPid].filter((pid) => pid !== null);
    const { rssBytes, cpuPercent } = this.#usage.sample(pids);
    const board = {
      ...sensors.read(),
      ...(disk === undefined ? {} : { diskFreeMB: Math.floor((disk.bavail * disk.bsize) / MEGABYTE) }),
    };
    return {
      process: { rssBytes: Math.round(rssBytes), cpuPercent: Math.max(0, cpuPercent) },
      board,
      news: this.#throttling.look(board, performance.now()),
    };
  }

  /** How warm it is in each place of the board. */
  async zones(): Promise<readonly ZoneTemperature[]> {
    this.#sensors ??= BoardSensors.find(this.#root);
    return (await this.#sensors).zones();
  }

  close(): void {
    this.#usage.close();
    void this.#sensors?.then((sensors) => sensors.close());
  }
}
