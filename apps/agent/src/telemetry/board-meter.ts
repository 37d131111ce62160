import { readdir, readFile, statfs } from 'node:fs/promises';
import { freemem, loadavg } from 'node:os';
import { join } from 'node:path';
import type { MetricsRecord } from '@aviary/protocol';
import { ProcessUsageMeter } from '../inference/process-usage.ts';

const MEGABYTE = 2 ** 20;
const THERMAL = '/sys/class/thermal';

/** The hottest of the board's thermal zones, in degrees Celsius; undefined on a board that has none. */
const hottest = async (): Promise<number | undefined> => {
  const zones = (await readdir(THERMAL).catch(() => [])).filter((name) => name.startsWith('thermal_zone'));
  const read = (zone: string) => readFile(join(THERMAL, zone, 'temp'), 'utf8').catch(() => '');
  const values = (await Promise.all(zones.map(read)))
    // The kernel writes thousandths; a zone without a sensor says nothing, or something absurd.
    .map((content) => (content.trim() === '' ? Number.NaN : Number(content) / 1000))
    .filter((value) => value > -50 && value < 150);
  return values.length === 0 ? undefined : Math.max(...values);
};

/** How the board is at this moment; reads a few files, starts nothing. */
const readBoard = async (stateDirectory: string): Promise<MetricsRecord['board']> => {
  const [disk, temperatureC] = await Promise.all([statfs(stateDirectory).catch(() => undefined), hottest()]);
  return {
    memoryFreeMB: Math.floor(freemem() / MEGABYTE),
    load1: loadavg()[0],
    ...(disk === undefined ? {} : { diskFreeMB: Math.floor((disk.bavail * disk.bsize) / MEGABYTE) }),
    ...(temperatureC === undefined ? {} : { temperatureC }),
  };
};

/** What the agent and its workers take of the board, and how that is. */
export class BoardMeter {
  readonly #stateDirectory: string;
  readonly #usage = new ProcessUsageMeter();

  constructor(stateDirectory: string) {
    this.#stateDirectory = stateDirectory;
  }

  /** @param workerPid the process that serves */
  async read(workerPid: number): Promise<Pick<MetricsRecord, 'process' | 'board'>> {
    const { rssBytes, cpuPercent } = this.#usage.sample([process.pid, workerPid]);
    return {
      process: { rssBytes: Math.round(rssBytes), cpuPercent: Math.max(0, cpuPercent) },
      board: await readBoard(this.#stateDirectory),
    };
  }

  close(): void {
    this.#usage.close();
  }
}
