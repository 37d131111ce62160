import { type MetricsRecord, THROTTLE_CAUSES } from '@aviary/protocol';
import type { CaptureState } from '../inference/capture/capture-run.ts';
import type { FrameTotals } from '../inference/frame-totals.ts';
import type { ZoneTemperature } from '../telemetry/board/board-sensors.ts';
import type { Metric, Sample } from './prometheus-text.ts';

/** What the agent is at, for a monitoring system on the board. */
export interface AgentMetrics {
  readonly version: string;
  readonly totals: FrameTotals;
  readonly waiting: { readonly source: number; readonly request: number };
  /** Null: nothing serves. */
  readonly serves: { readonly release: string; readonly digest: string; readonly provider: string } | null;
  readonly captureState: CaptureState | null;
  readonly captureRestarts: number;
  readonly readers: number;
  /** Answers of the local API that were problems, by their code. */
  readonly problems: ReadonlyMap<string, number>;
  readonly isConnected: boolean;
  readonly spoolBytes: number;
  readonly isNetworkClosed: boolean;
  readonly process: MetricsRecord['process'];
  readonly board: MetricsRecord['board'];
  readonly zones: readonly ZoneTemperature[];
}

const MEGABYTE = 2 ** 20;
const MEGAHERTZ = 1e6;
const PERCENT = 0.01;

/** As Prometheus wants them: base units, counters that only grow. */
export const agentMetrics = (now: AgentMetrics): Metric[] => {
  const { totals, serves, captureState, process } = now;
  return [
    gauge('info', 'The agent that tells this.', [{ labels: { version: now.version }, value: 1 }]),
    gauge('release_info', 'The release that serves.', serves === null ? [] : [{ labels: { ...serves }, value: 1 }]),
    gauge('serving', 'Whether a release serves.', [flag(serves !== null)]),
    counter('frames', 'Frames that the model has answered, by where they came from.', 'origin', totals.answered),
    counter('frames_dropped', 'Frames that were let go, by why.', 'reason', totals.dropped),
    counter('frame_errors', 'Frames that got no answer, by code.', 'code', Object.fromEntries(totals.errors)),
    counter('low_confidence', 'Answers under the confidence that the release asks for.', null, totals.lowConfidence),
    {
      name: 'aviary_agent_frame_duration_seconds',
      help: 'In the worker per answered frame, pre- and post-processing included.',
      type: 'histogram',
      buckets: totals.upTo.map(({ seconds, frames }) => ({ le: seconds, count: frames })),
      count: totals.answered.source + totals.answered.request,
      sum: totals.seconds,
    },
    gauge('frames_waiting', 'Frames that wait for the worker.', samplesOf('origin', now.waiting)),
    gauge(
      'capture_flowing',
      'Whether frames come from the source.',
      captureState === null ? [] : [flag(captureState.flowing)],
    ),
    counter('capture_restarts', "How often the capture's process has ended by itself.", null, now.captureRestarts),
    gauge('result_readers', 'Programs that read the stream of results.', [{ value: now.readers }]),
    counter(
      'local_problems',
      'Requests of programs on the board that could not be done, by code.',
      'code',
      Object.fromEntries(now.problems),
    ),
    gauge('connected', 'Whether the control plane hears this device.', [flag(now.isConnected)]),
    gauge('spool_bytes', 'Telemetry that waits on the disk.', [{ value: now.spoolBytes }]),
    gauge('network_closed', 'Whether workers are without a network.', [flag(now.isNetworkClosed)]),
    gauge('resident_memory_bytes', 'Of the supervisor and the worker together.', sampleOf(process?.rssBytes)),
    ...boardMetrics(now),
  ];
};

/** What the board does not tell is left out. */
const boardMetrics = ({ board, zones }: Pick<AgentMetrics, 'board' | 'zones'>): Metric[] => [
  gauge('board_temperature_celsius', 'The hottest place of the board.', sampleOf(board.temperatureC)),
  gauge(
    'board_zone_temperature_celsius',
    'A place of the board, by its thermal zone.',
    zones.map(({ zone, type, celsius }) => ({ labels: { zone, type }, value: celsius })),
  ),
  gauge('board_accelerator_temperature_celsius', 'An Edge TPU on PCI.', sampleOf(board.acceleratorC)),
  gauge(
    'board_throttled',
    'Whether the board slows itself down now, by why; also 0 for what such a board cannot tell.',
    board.throttled === undefined
      ? []
      : THROTTLE_CAUSES.map((cause) => ({ labels: { cause }, ...flag(board.throttled?.includes(cause) === true) })),
  ),
  gauge('board_cpu_frequency_hertz', 'The clock of the fastest core.', sampleOf(board.cpuMHz, MEGAHERTZ)),
  gauge('board_gpu_frequency_hertz', 'The clock of the GPU on the chip.', sampleOf(board.gpuMHz, MEGAHERTZ)),
  gauge('board_gpu_utilization_ratio', 'How busy the GPU on the chip is, 0 to 1.', sampleOf(board.gpuPercent, PERCENT)),
  gauge('board_power_watts', 'What the module takes.', sampleOf(board.powerW)),
  gauge('board_memory_free_bytes', 'Free memory of the board.', sampleOf(board.memoryFreeMB, MEGABYTE)),
  gauge('board_swap_used_bytes', 'Swap that is in use.', sampleOf(board.swapUsedMB, MEGABYTE)),
  gauge('board_disk_free_bytes', "Free space where the agent's state lies.", sampleOf(board.diskFreeMB, MEGABYTE)),
  gauge('board_load1', "The board's load over one minute.", sampleOf(board.load1)),
];

const flag = (is: boolean): Sample => ({ value: is ? 1 : 0 });

const sampleOf = (value: number | undefined, unit = 1): Sample[] =>
  value === undefined ? [] : [{ value: value * unit }];

const samplesOf = (label: string, values: Readonly<Record<string, number>>): Sample[] =>
  Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }));

const gauge = (name: string, help: string, samples: readonly Sample[]): Metric => ({
  name: `aviary_agent_${name}`,
  help,
  type: 'gauge',
  samples,
});

/** @param label null: one value without a label */
const counter = (
  name: string,
  help: string,
  label: string | null,
  values: number | Readonly<Record<string, number>>,
): Metric => ({
  name: `aviary_agent_${name}_total`,
  help,
  type: 'counter',
  samples: typeof values === 'number' ? [{ value: values }] : samplesOf(label ?? 'kind', values),
});
