import { THROTTLE_CAUSES } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { FrameTotals } from '../inference/frame-totals.ts';
import { BoardMeter } from '../telemetry/board-meter.ts';
import { writeBoard } from '../testing/boards/boards.ts';
import { jetsonOrinNano, jetsonXavierNx } from '../testing/boards/jetson.ts';
import { rpi4 } from '../testing/boards/raspberry-pi.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { agentMetrics } from './agent-metrics.ts';
import { prometheusText } from './prometheus-text.ts';

const makeFolder = temporaryFolders();

/** The lines about the board that an agent on it shows. */
const linesOf = async ({ files }: typeof rpi4): Promise<string[]> => {
  const root = await writeBoard(await makeFolder(), files);
  const meter = new BoardMeter({ stateDirectory: root.folder, root });
  const reading = await meter.read(null);
  const metrics = agentMetrics({
    version: '1.0.0',
    totals: new FrameTotals(),
    waiting: { source: 0, request: 0 },
    serves: null,
    captureState: null,
    captureRestarts: 0,
    readers: 0,
    problems: new Map(),
    isConnected: true,
    spoolBytes: 0,
    isNetworkClosed: true,
    ...reading,
    zones: await meter.zones(),
  });
  meter.close();
  return prometheusText(metrics)
    .split('\n')
    .filter((line) => line.startsWith('aviary_agent_board_') && !line.includes('disk_free'));
};

const throttled = (...now: string[]): string[] =>
  THROTTLE_CAUSES.map((cause) => `aviary_agent_board_throttled{cause="${cause}"} ${now.includes(cause) ? 1 : 0}`);

describe('metrics of the board', () => {
  it('are all that a Jetson tells, in base units', async () => {
    expect(await linesOf(jetsonOrinNano)).toEqual([
      'aviary_agent_board_temperature_celsius 49.812',
      'aviary_agent_board_zone_temperature_celsius{zone="0",type="cpu-thermal"} 49.812',
      'aviary_agent_board_zone_temperature_celsius{zone="1",type="gpu-thermal"} 48.906',
      'aviary_agent_board_zone_temperature_celsius{zone="2",type="soc0-thermal"} 48.062',
      'aviary_agent_board_zone_temperature_celsius{zone="3",type="tj-thermal"} 49.812',
      ...throttled(),
      'aviary_agent_board_cpu_frequency_hertz 1510000000',
      'aviary_agent_board_gpu_frequency_hertz 306000000',
      'aviary_agent_board_gpu_utilization_ratio 0.25',
      'aviary_agent_board_power_watts 5.541',
      'aviary_agent_board_memory_free_bytes 4831838208',
      'aviary_agent_board_swap_used_bytes 20971520',
      'aviary_agent_board_load1 0.94',
    ]);
  });

  it('are of a Raspberry Pi why it slows itself down, and nothing of a GPU', async () => {
    const word = 'sys/devices/platform/soc/soc:firmware/get_throttled';
    const lines = await linesOf({ ...rpi4, files: { ...rpi4.files, [word]: '50005\n' } });
    expect(lines).toEqual(expect.arrayContaining(throttled('under-voltage', 'throttled')));
    expect(lines.join('\n')).not.toMatch(/gpu_|power_|accelerator_/);
  });

  it('say nothing of throttling where the board does not tell', async () => {
    const lines = await linesOf(jetsonXavierNx);
    expect(lines.join('\n')).not.toContain('throttled');
    expect(lines).toContain('aviary_agent_board_gpu_utilization_ratio 0');
  });
});
