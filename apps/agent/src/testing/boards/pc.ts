import { type BoardFixture, coolingDevices, folder, meminfo, thermalZones } from './board-fixture.ts';

const core = (index: number) =>
  [
    `processor\t: ${index}`,
    'vendor_id\t: GenuineIntel',
    'cpu family\t: 6',
    'model\t\t: 190',
    'model name\t: Intel(R) N100',
    'stepping\t: 0\n\n',
  ].join('\n');

export const x8664: BoardFixture = {
  board: 'x86-64',
  sources: [
    'https://github.com/erpalma/throttled/issues/362',
    'https://www.kernel.org/doc/html/latest/admin-guide/abi-testing.html#abi-sys-devices-system-cpu-cpux-thermal-throttle-core-throttle-count',
  ],
  arch: 'x64',
  glibc: '2.36',
  files: {
    'etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    'proc/sys/kernel/osrelease': '6.1.0-28-amd64\n',
    'proc/cpuinfo': [0, 1, 2, 3].map(core).join(''),
    'proc/meminfo': meminfo(16_166_912, 14_680_064, 999_420, 999_420),
    'proc/loadavg': '0.07 0.11 0.09 1/233 4242\n',
    ...folder('sys/bus/pci/devices/0000:00:00.0', { vendor: '0x8086', device: '0x461c', class: '0x060000' }),
    ...folder('sys/bus/pci/devices/0000:00:02.0', { vendor: '0x8086', device: '0x46d1', class: '0x030000' }),
    ...folder('sys/devices/system/cpu/cpufreq/policy0', { scaling_cur_freq: '800000' }),
    ...folder('sys/devices/system/cpu/cpufreq/policy1', { scaling_cur_freq: '3400000' }),
    ...folder('sys/devices/system/cpu/cpu0/thermal_throttle', {
      core_throttle_count: '0',
      package_throttle_count: '7',
      package_throttle_total_time_ms: '12',
    }),
    ...thermalZones({ acpitz: 27_800, x86_pkg_temp: 41_000 }),
    ...coolingDevices([
      ['Processor', 0],
      ['intel_powerclamp', -1],
    ]),
  },
  state: { memoryFreeMB: 14_336, swapUsedMB: 0, temperatureC: 41, load1: 0.07, cpuMHz: 3_400, throttled: [] },
};
