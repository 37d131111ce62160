import { tmpdir } from 'node:os';
import si from 'systeminformation';
import { BoardMeter } from '../../../apps/agent/src/telemetry/board-meter.ts';
import { cpuMsOf } from '../sim/process-tree.ts';

const READINGS = 2_000;
const CALLS = 8;

/** What one sampling takes, in milliseconds. */
export interface Cost {
  readonly wall: number;
  /** Of this process and the programs that it started. */
  readonly cpu: number;
}

const costOf = async (times: number, sample: () => Promise<unknown>): Promise<Cost> => {
  const cpu = await cpuMsOf(process.pid);
  const from = performance.now();
  for (let i = 0; i < times; i += 1) await sample();
  return { wall: (performance.now() - from) / times, cpu: ((await cpuMsOf(process.pid)) - cpu) / times };
};

/** The same values as the meter's: memory and swap, load, temperature, clock, the disk, and two processes. */
const throughSystemInformation = async (): Promise<void> => {
  await si.mem();
  await si.currentLoad();
  await si.cpuTemperature();
  await si.cpuCurrentSpeed();
  await si.fsSize();
  await si.processLoad('node');
};

/** One round: readings of the board as the agent does them, and as `systeminformation` does. */
export const sampleBothWays = async (): Promise<{ readonly ours: Cost; readonly theirs: Cost }> => {
  const meter = new BoardMeter({ stateDirectory: tmpdir() });
  try {
    await meter.read(process.ppid);
    const ours = await costOf(READINGS, () => meter.read(process.ppid));
    await throughSystemInformation();
    return { ours, theirs: await costOf(CALLS, throughSystemInformation) };
  } finally {
    meter.close();
  }
};
