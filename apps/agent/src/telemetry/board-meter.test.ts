import { writeFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { BoardFixture } from '../testing/boards/board-fixture.ts';
import { BOARDS, writeBoard } from '../testing/boards/boards.ts';
import { coralDevBoard } from '../testing/boards/coral.ts';
import { jetsonOrinNano } from '../testing/boards/jetson.ts';
import { x8664 } from '../testing/boards/pc.ts';
import { rpi4, rpi5 } from '../testing/boards/raspberry-pi.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { openThrottling, throttleBits } from './board/throttle-sources.ts';
import { BoardMeter } from './board-meter.ts';

const makeFolder = temporaryFolders();
const meters: BoardMeter[] = [];
afterEach(() => {
  for (const meter of meters.splice(0)) meter.close();
});

/** A meter of a played board, and how to change what its files say. */
const meterOf = async ({ files }: BoardFixture, throttleC?: number) => {
  const root = await writeBoard(await makeFolder(), files);
  const meter = new BoardMeter({ stateDirectory: root.folder, root, throttleC });
  meters.push(meter);
  return { meter, says: (path: string, text: string) => writeFile(root.at(path), text) };
};

describe('a board meter', () => {
  it.each(BOARDS)('reads the sensors of a $board', async (fixture) => {
    const { meter } = await meterOf(fixture);
    const { board, process: usage, news } = await meter.read(null);
    const { diskFreeMB, ...state } = board;
    expect(state).toEqual(fixture.state);
    expect(diskFreeMB).toBeGreaterThan(0);
    expect(usage.rssBytes).toBeGreaterThan(1e6);
    expect(news).toBeNull();
  });

  it('reads what they say at each time', async () => {
    const { meter, says } = await meterOf(jetsonOrinNano);
    await meter.read(null);
    await says('sys/devices/platform/gpu.0/load', '997\n');
    await says('sys/class/thermal/thermal_zone3/temp', '71250\n');
    await says('sys/class/hwmon/hwmon1/curr1_input', '2912\n');
    expect((await meter.read(null)).board).toMatchObject({ gpuPercent: 99.7, temperatureC: 71.25, powerW: 14.723 });
  });

  it('tells nothing of a sensor that says nothing', async () => {
    const { meter, says } = await meterOf(jetsonOrinNano);
    await says('sys/class/hwmon/hwmon1/curr1_input', '');
    await says('proc/loadavg', '');
    const { board } = await meter.read(null);
    expect(board).not.toHaveProperty('powerW');
    expect(board).not.toHaveProperty('load1');
    expect(board).toHaveProperty('gpuPercent', 25);
  });
});

describe('a board that slows itself down', () => {
  it.each<[string, BoardFixture, path: string, text: string, causes: string[]]>([
    // The word of https://github.com/raspberrypi/linux/pull/2397: under-voltage and throttled, now and before.
    [
      'as the firmware of a Raspberry Pi 4 says',
      rpi4,
      'sys/devices/platform/soc/soc:firmware/get_throttled',
      '50005\n',
      ['under-voltage', 'throttled'],
    ],
    [
      'as the firmware of a Raspberry Pi 5 says',
      rpi5,
      'sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled',
      'a000a\n',
      ['frequency-capped', 'soft-temperature-limit'],
    ],
    ['as the supply of a Raspberry Pi says', rpi5, 'sys/class/hwmon/hwmon2/in0_lcrit_alarm', '1\n', ['under-voltage']],
    [
      'for a temperature of a Jetson',
      jetsonOrinNano,
      'sys/class/thermal/cooling_device4/cur_state',
      '1\n',
      ['thermal'],
    ],
    ['for the current of a Jetson', jetsonOrinNano, 'sys/class/hwmon/hwmon0/oc3_event_cnt', '4\n', ['over-current']],
    [
      'as a PC counts',
      x8664,
      'sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count',
      '9\n',
      ['thermal'],
    ],
    ['with an Edge TPU that is hot', coralDevBoard, 'sys/class/apex/apex_0/temp', '85000\n', ['accelerator-hot']],
  ])('%s', async (_, fixture, path, text, causes) => {
    const { meter, says } = await meterOf(fixture, 80);
    expect((await meter.read(null)).board.throttled).toEqual([]);
    await says(path, text);
    const { board, news } = await meter.read(null);
    expect(board.throttled).toEqual(causes);
    expect(news).toMatchObject({ level: 'warning', code: 'throttled' });
    expect(news?.message).toContain('such boards slow down from 80 °C');
  });

  it('tells each who looks at it, also what another one has read before', async () => {
    const root = await writeBoard(await makeFolder(), jetsonOrinNano.files);
    const sights = [await openThrottling(root), await openThrottling(root)];
    expect(sights.map((sight) => sight.causes())).toEqual([[], []]);
    await writeFile(root.at('sys/class/hwmon/hwmon0/oc1_event_cnt'), '1\n');
    expect(sights.map((sight) => sight.causes())).toEqual([['over-current'], ['over-current']]);
    for (const sight of sights) sight.close();
  });

  it('is no board whose fan turns', async () => {
    const { meter, says } = await meterOf(jetsonOrinNano);
    await says('sys/class/thermal/cooling_device2/cur_state', '4\n');
    expect((await meter.read(null)).board.throttled).toEqual([]);
  });

  it('has slowed down once for each time that a counter rises', async () => {
    const { meter, says } = await meterOf(jetsonOrinNano);
    await meter.read(null);
    await says('sys/class/hwmon/hwmon0/oc1_event_cnt', '1\n');
    expect((await meter.read(null)).board.throttled).toEqual(['over-current']);
    expect((await meter.read(null)).board.throttled).toEqual([]);
  });
});

describe('the word of a Raspberry Pi', () => {
  it.each([
    ['0', []],
    ['0x0', []],
    ['1', ['under-voltage']],
    ['80008', ['soft-temperature-limit']],
    // Only what has been: https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
    ['50000', []],
    ['f000f', ['under-voltage', 'frequency-capped', 'throttled', 'soft-temperature-limit']],
  ])('%s is %j', (word, causes) => {
    expect(throttleBits(word)).toEqual(causes);
  });

  it('is none where something else is written', () => {
    expect(throttleBits('error=1')).toBeUndefined();
  });
});
