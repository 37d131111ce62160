import type { BoardState } from '@aviary/protocol';
import type { BoardRoot } from '../../facts/board-root.ts';
import { KeptFile } from './kept-file.ts';
import { causesOf, findThrottleSources, type ThrottleSource } from './throttle-sources.ts';

const KILOBYTES = 1024;
const PER_DEGREE = 1000;

/** A power rail of a Jetson: millivolts and milliamperes. */
interface Rail {
  readonly label: string;
  readonly millivolts: KeptFile;
  readonly milliamperes: KeptFile;
}

/** A thermal zone of the kernel's. */
interface Zone {
  /** Its number: `0` of `thermal_zone0`. */
  readonly zone: string;
  /** What is there, e.g. `cpu-thermal`; several may be called the same. */
  readonly type: string;
  /** Thousandths of a degree. */
  readonly file: KeptFile;
}

/** How warm it is in one place of the board. */
export interface ZoneTemperature extends Pick<Zone, 'zone' | 'type'> {
  readonly celsius: number;
}

interface SensorFiles {
  readonly meminfo: KeptFile;
  readonly loadavg: KeptFile;
  readonly zones: readonly Zone[];
  /** Thousandths of a degree. */
  readonly acceleratorZones: readonly KeptFile[];
  /** Kilohertz. */
  readonly clocks: readonly KeptFile[];
  /** Tenths of a percent. */
  readonly gpuLoad: KeptFile | undefined;
  /** Hertz. */
  readonly gpuClock: KeptFile | undefined;
  readonly rails: readonly Rail[];
  readonly throttling: readonly ThrottleSource[];
}

const filesIn = async (root: BoardRoot, folder: string, name: RegExp, file: string): Promise<KeptFile[]> =>
  (await root.names(folder)).filter((one) => name.test(one)).map((one) => new KeptFile(root.at(folder, one, file)));

/** Of a Jetson's power chip, a zone that says 100 °C whatever happens. */
const NO_SENSOR = 'PMIC-Die';

const findZones = async (root: BoardRoot): Promise<Zone[]> => {
  const folder = 'sys/class/thermal';
  const zones: Zone[] = [];
  for (const name of await root.names(folder)) {
    const [, zone] = /^thermal_zone(\d+)$/.exec(name) ?? [];
    const type = await root.text(folder, name, 'type');
    if (zone === undefined || type === NO_SENSOR) continue;
    zones.push({ zone, type: type ?? '', file: new KeptFile(root.at(folder, name, 'temp')) });
  }
  return zones;
};

/** Where the GPU of a Jetson is: `17000000.gpu`, `17000000.ga10b` or `17000000.gv11b`, by chip and Jetson Linux. */
const findGpu = async (root: BoardRoot): Promise<Pick<SensorFiles, 'gpuLoad' | 'gpuClock'>> => {
  const folder = 'sys/class/devfreq';
  const name = (await root.names(folder)).find((one) => /\.(gpu|ga10b|gv11b|gp10b|gm20b)$/.test(one));
  const clock = name === undefined ? undefined : new KeptFile(root.at(folder, name, 'cur_freq'));
  const loads = ['sys/devices/platform/gpu.0/load', 'sys/devices/gpu.0/load', `${folder}/${name}/device/load`];
  for (const path of loads) {
    if ((await root.text(path)) !== undefined) return { gpuLoad: new KeptFile(root.at(path)), gpuClock: clock };
  }
  return { gpuLoad: undefined, gpuClock: clock };
};

/** Channels of the power monitors (INA3221) that have a label. `NC` is not connected, and the sum is no rail. */
const findRails = async (root: BoardRoot): Promise<Rail[]> => {
  const folder = 'sys/class/hwmon';
  const rails: Rail[] = [];
  for (const name of await root.names(folder)) {
    if ((await root.text(folder, name, 'name')) !== 'ina3221') continue;
    for (const file of await root.names(folder, name)) {
      const [, channel] = /^in(\d+)_label$/.exec(file) ?? [];
      const label = await root.text(folder, name, file);
      if (channel === undefined || label === undefined || label === 'NC' || label.includes('shunt')) continue;
      rails.push({
        label,
        millivolts: new KeptFile(root.at(folder, name, `in${channel}_input`)),
        milliamperes: new KeptFile(root.at(folder, name, `curr${channel}_input`)),
      });
    }
  }
  // Where the input of the whole module is measured, the others are part of it.
  const whole = rails.filter(({ label }) => label === 'VDD_IN');
  return whole.length > 0 ? whole : rails;
};

const megabytesOf = (meminfo: string, key: string): number | undefined => {
  const [, kilobytes] = new RegExp(`^${key}:\\s*(\\d+) kB$`, 'm').exec(meminfo) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) / KILOBYTES;
};

/** Zones without a sensor say nothing, or something absurd. */
const celsiusOf = (zone: KeptFile): number | undefined => {
  const value = (zone.number() ?? Number.NaN) / PER_DEGREE;
  return value > -50 && value < 150 ? value : undefined;
};

const hottest = (zones: readonly KeptFile[]): number | undefined => {
  const values = zones.map(celsiusOf).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : Math.max(...values);
};

const wattsOf = (rails: readonly Rail[]): number | undefined => {
  let watts = 0;
  for (const { millivolts, milliamperes } of rails) {
    const [volts, amperes] = [millivolts.number(), milliamperes.number()];
    // Less than the whole would be taken for the whole.
    if (volts === undefined || amperes === undefined) return undefined;
    watts += (volts * amperes) / 1e6;
  }
  // The sensors tell thousandths.
  return rails.length === 0 ? undefined : Math.round(watts * 1000) / 1000;
};

/** Leaves out what the board does not tell. */
const known = (state: { [Key in keyof BoardState]: BoardState[Key] | undefined }): BoardState =>
  Object.fromEntries(Object.entries(state).filter(([, value]) => value !== undefined));

/** What a board tells of itself through files that stay open. Starts nothing, and takes some tens of microseconds. */
export class BoardSensors {
  readonly #files: SensorFiles;

  private constructor(files: SensorFiles) {
    this.#files = files;
  }

  /** Finds out what there is to read: once, at the start. */
  static async find(root: BoardRoot): Promise<BoardSensors> {
    return new BoardSensors({
      meminfo: new KeptFile(root.at('proc/meminfo')),
      loadavg: new KeptFile(root.at('proc/loadavg')),
      zones: await findZones(root),
      acceleratorZones: await filesIn(root, 'sys/class/apex', /^apex_\d+$/, 'temp'),
      clocks: await filesIn(root, 'sys/devices/system/cpu/cpufreq', /^policy\d+$/, 'scaling_cur_freq'),
      ...(await findGpu(root)),
      rails: await findRails(root),
      throttling: await findThrottleSources(root),
    });
  }

  /** How the board is now. */
  read(): BoardState {
    const { meminfo, loadavg, zones, acceleratorZones, clocks, gpuLoad, gpuClock, rails, throttling } = this.#files;
    const memory = meminfo.text() ?? '';
    const [free, swap, swapFree] = ['MemAvailable', 'SwapTotal', 'SwapFree'].map((key) => megabytesOf(memory, key));
    const kilohertz = clocks.map((clock) => clock.number()).filter((value) => value !== undefined);
    const load = Number.parseFloat(loadavg.text() ?? '');
    const gpuTenths = gpuLoad?.number();
    const gpuHertz = gpuClock?.number();
    return known({
      memoryFreeMB: free === undefined ? undefined : Math.floor(free),
      swapUsedMB: swap === undefined || swapFree === undefined ? undefined : Math.round(swap - swapFree),
      temperatureC: hottest(zones.map(({ file }) => file)),
      acceleratorC: hottest(acceleratorZones),
      load1: Number.isNaN(load) ? undefined : load,
      cpuMHz: kilohertz.length === 0 ? undefined : Math.round(Math.max(...kilohertz) / 1000),
      gpuPercent: gpuTenths === undefined ? undefined : Math.min(100, Math.max(0, gpuTenths / 10)),
      gpuMHz: gpuHertz === undefined ? undefined : Math.round(gpuHertz / 1e6),
      powerW: wattsOf(rails),
      throttled: causesOf(throttling),
    });
  }

  /** Each place that has a sensor, and says something sensible. */
  zones(): ZoneTemperature[] {
    return this.#files.zones.flatMap(({ zone, type, file }) => {
      const celsius = celsiusOf(file);
      return celsius === undefined ? [] : [{ zone, type, celsius }];
    });
  }

  close(): void {
    const { meminfo, loadavg, zones, acceleratorZones, clocks, gpuLoad, gpuClock, rails, throttling } = this.#files;
    const railFiles = rails.flatMap(({ millivolts, milliamperes }) => [millivolts, milliamperes]);
    const zoneFiles = zones.map(({ file }) => file);
    const all = [meminfo, loadavg, ...zoneFiles, ...acceleratorZones, ...clocks, gpuLoad, gpuClock, ...railFiles];
    for (const file of [...all, ...throttling]) file?.close();
  }
}
