import type { BoardState } from '@aviary/protocol';

/**
 * What a board's files say, as far as the agent reads them. Where a value is documented is said beside it; what differs from
 * board to board and from moment to moment (free memory, load, temperatures, clocks) is a plausible one.
 */
export interface BoardFixture {
  /** Id of the profile that it is. */
  readonly board: string;
  /** Where the values stand. */
  readonly sources: readonly string[];
  readonly arch: string;
  readonly glibc: string;
  /** By their path below the root. A property of a device tree ends in a zero byte. */
  readonly files: Readonly<Record<string, string>>;
  /** What programs print, by their command line. */
  readonly tools?: Readonly<Record<string, string>>;
  /** What telemetry reads from these files. */
  readonly state: BoardState;
}

/** /proc/cpuinfo of a 64-bit ARM: a paragraph for each core, and then what the board adds. */
export const armCpuinfo = (cores: number, implementer: string, part: string, more = ''): string =>
  Array.from({ length: cores }, (_, core) =>
    [
      `processor\t: ${core}`,
      'BogoMIPS\t: 108.00',
      'Features\t: fp asimd evtstrm crc32 cpuid',
      `CPU implementer\t: ${implementer}`,
      'CPU architecture: 8',
      'CPU variant\t: 0x0',
      `CPU part\t: ${part}`,
      'CPU revision\t: 1\n\n',
    ].join('\n'),
  ).join('') + more;

/** proc_meminfo(5), in kB. */
export const meminfo = (total: number, available: number, swapTotal = 0, swapFree = swapTotal): string =>
  `MemTotal:       ${total} kB
MemFree:        ${Math.floor(available / 2)} kB
MemAvailable:   ${available} kB
SwapTotal:      ${swapTotal} kB
SwapFree:       ${swapFree} kB
`;

/** A paragraph of /var/lib/dpkg/status for each package that is installed. */
export const dpkgStatus = (packages: Readonly<Record<string, string>>): string =>
  Object.entries(packages)
    .map(([name, version]) => `Package: ${name}\nStatus: install ok installed\nVersion: ${version}\n`)
    .join('\n');

/** Files of a folder each: `{ type: 'cpu-thermal' }` in `sys/class/thermal/thermal_zone0`. */
export const folder = (path: string, files: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [`${path}/${name}`, `${content}\n`]));

/** Thermal zones in their order, with thousandths of a degree. */
export const thermalZones = (zones: Readonly<Record<string, number>>): Record<string, string> =>
  Object.assign(
    {},
    ...Object.entries(zones).map(([type, temp], index) =>
      folder(`sys/class/thermal/thermal_zone${index}`, { type, temp: String(temp) }),
    ),
  );

/** Cooling devices in their order, with what they are at. */
export const coolingDevices = (states: readonly (readonly [type: string, state: number])[]): Record<string, string> =>
  Object.assign(
    {},
    ...states.map(([type, state], index) =>
      folder(`sys/class/thermal/cooling_device${index}`, { type, cur_state: String(state) }),
    ),
  );
