import type { ThrottleCause } from '@aviary/protocol';
import type { BoardRoot } from '../../facts/board-root.ts';
import { KeptFile } from './kept-file.ts';

/** Something that tells whether the board slows itself down. */
export interface ThrottleSource {
  /** @returns none when it does not; undefined when it does not tell now */
  causes(): readonly ThrottleCause[] | undefined;
  close(): void;
}

/** Bits of the firmware's word that are true now; those from bit 16 on have been since somebody cleared them. */
const PI_BITS: readonly ThrottleCause[] = ['under-voltage', 'frequency-capped', 'throttled', 'soft-temperature-limit'];

/** Of a Raspberry Pi's word, e.g. `50005`: hexadecimal, as `vcgencmd get_throttled` has it, without its `0x`. */
export const throttleBits = (word: string): ThrottleCause[] | undefined => {
  if (!/^(0x)?[0-9a-f]+$/i.test(word)) return undefined;
  const bits = Number.parseInt(word, 16);
  return PI_BITS.filter((_, bit) => (bits & (1 << bit)) !== 0);
};

/** A file that tells causes by what it says. */
class TellingFile implements ThrottleSource {
  readonly #file: KeptFile;
  readonly #tell: (text: string) => readonly ThrottleCause[] | undefined;

  constructor(path: string, tell: (text: string) => readonly ThrottleCause[] | undefined) {
    this.#file = new KeptFile(path);
    this.#tell = tell;
  }

  causes(): readonly ThrottleCause[] | undefined {
    const text = this.#file.text();
    return text === undefined ? undefined : this.#tell(text);
  }

  close(): void {
    this.#file.close();
  }
}

/** A counter of times that it was slowed down: it tells when that has risen since it was read before. */
class CountingFile implements ThrottleSource {
  readonly #file: KeptFile;
  readonly #cause: ThrottleCause;
  #before: number | undefined;

  constructor(path: string, cause: ThrottleCause) {
    this.#file = new KeptFile(path);
    this.#cause = cause;
  }

  causes(): readonly ThrottleCause[] | undefined {
    const count = this.#file.number();
    if (count === undefined) return undefined;
    const rose = this.#before !== undefined && count > this.#before;
    this.#before = count;
    return rose ? [this.#cause] : [];
  }

  close(): void {
    this.#file.close();
  }
}

/** An Edge TPU lowers its clock at three temperatures, of which the limit is the lowest (https://coral.ai/docs/pcie-parameters). */
class HotEdgeTpu implements ThrottleSource {
  readonly #temperature: KeptFile;
  readonly #limit: KeptFile;

  constructor(temperature: string, limit: string) {
    this.#temperature = new KeptFile(temperature);
    this.#limit = new KeptFile(limit);
  }

  causes(): readonly ThrottleCause[] | undefined {
    const [temperature, limit] = [this.#temperature.number(), this.#limit.number()];
    if (temperature === undefined || limit === undefined) return undefined;
    return temperature >= limit ? ['accelerator-hot'] : [];
  }

  close(): void {
    this.#temperature.close();
    this.#limit.close();
  }
}

const whenAbove0 =
  (cause: ThrottleCause) =>
  (text: string): readonly ThrottleCause[] =>
    Number(text) > 0 ? [cause] : [];

/**
 * The word that the kernel of Raspberry Pi OS asks its firmware for every two seconds. The folder is `soc` on a Raspberry
 * Pi 4, and has its address on a Raspberry Pi 5. Other kernels have no such file.
 */
const piWords = async (root: BoardRoot): Promise<ThrottleSource[]> => {
  const found: ThrottleSource[] = [];
  for (const soc of await root.names('sys/devices/platform')) {
    if (!/^soc(@[0-9a-f]+)?$/.test(soc)) continue;
    const path = ['sys/devices/platform', soc, `${soc}:firmware`, 'get_throttled'] as const;
    if ((await root.text(...path)) !== undefined) found.push(new TellingFile(root.at(...path), throttleBits));
  }
  return found;
};

/** What the kernel holds back for a temperature. A fan is a cooling device, too, and slows nothing down. */
const SLOWING = /throttle-alert$|^hot-surface-alert$|cpufreq|devfreq|^Processor$/;

const coolingDevices = async (root: BoardRoot): Promise<ThrottleSource[]> => {
  const folder = 'sys/class/thermal';
  const found: ThrottleSource[] = [];
  for (const name of await root.names(folder)) {
    if (!name.startsWith('cooling_device') || !SLOWING.test((await root.text(folder, name, 'type')) ?? '')) continue;
    found.push(new TellingFile(root.at(folder, name, 'cur_state'), whenAbove0('thermal')));
  }
  return found;
};

/** The supply of a Raspberry Pi (`rpi_volt`), and the over-current counters of a Jetson (`soctherm_oc`). */
const hardwareMonitors = async (root: BoardRoot): Promise<ThrottleSource[]> => {
  const folder = 'sys/class/hwmon';
  const found: ThrottleSource[] = [];
  for (const name of await root.names(folder)) {
    const chip = await root.text(folder, name, 'name');
    if (chip === 'rpi_volt') {
      found.push(new TellingFile(root.at(folder, name, 'in0_lcrit_alarm'), whenAbove0('under-voltage')));
    } else if (chip === 'soctherm_oc') {
      const counters = (await root.names(folder, name)).filter((file) => /^oc\d+_event_cnt$/.test(file));
      found.push(...counters.map((file) => new CountingFile(root.at(folder, name, file), 'over-current')));
    }
  }
  return found;
};

/** Counters of x86: Documentation/admin-guide/abi-testing, /sys/devices/system/cpu/cpuX/thermal_throttle. */
const processorCounters = async (root: BoardRoot): Promise<ThrottleSource[]> => {
  const folder = 'sys/devices/system/cpu/cpu0/thermal_throttle';
  const files = (await root.names(folder)).filter((name) => name.endsWith('_throttle_count'));
  return files.map((file) => new CountingFile(root.at(folder, file), 'thermal'));
};

const edgeTpus = async (root: BoardRoot): Promise<ThrottleSource[]> =>
  (await root.names('sys/class/apex')).map(
    (name) =>
      new HotEdgeTpu(root.at('sys/class/apex', name, 'temp'), root.at('sys/module/apex/parameters/trip_point0_temp')),
  );

/** All that a board tells of it; looked for once, at the start. */
export const findThrottleSources = async (root: BoardRoot): Promise<ThrottleSource[]> => [
  ...(await piWords(root)),
  ...(await hardwareMonitors(root)),
  ...(await coolingDevices(root)),
  ...(await processorCounters(root)),
  ...(await edgeTpus(root)),
];

/** What all of them tell now; undefined when none does. */
export const causesOf = (sources: readonly ThrottleSource[]): ThrottleCause[] | undefined => {
  const told = sources.map((source) => source.causes()).filter((causes) => causes !== undefined);
  return told.length === 0 ? undefined : [...new Set(told.flat())];
};

/** All that a board tells, for one who looks for a while: counters tell each reader what has risen since it read before. */
export const openThrottling = async (root: BoardRoot): Promise<ThrottleSource> => {
  const sources = await findThrottleSources(root);
  return {
    causes: () => causesOf(sources),
    close: () => {
      for (const source of sources) source.close();
    },
  };
};
