import { armCpuinfo, type BoardFixture, coolingDevices, folder, meminfo, thermalZones } from './board-fixture.ts';

/** The first line of /etc/nv_tegra_release of JetPack 6.2 on any Orin. */
const R36_4_3 =
  '# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 01:49:37 UTC 2025\n# KERNEL_VARIANT: oot\n';
/** Of JetPack 5.1.2 on a Xavier. */
const R35_4_1 =
  '# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64, DATE: Tue Aug  1 19:57:35 UTC 2023\n';

const cuda = (version: string) => JSON.stringify({ cuda: { name: 'CUDA SDK', version } }, null, 3);
const orin = (cores: number): Record<string, string> => ({
  'etc/os-release': 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nID=ubuntu\n',
  'etc/nv_tegra_release': R36_4_3,
  'proc/sys/kernel/osrelease': '5.15.148-tegra\n',
  'proc/cpuinfo': armCpuinfo(cores, '0x41', '0xd42'),
  'usr/local/cuda/version.json': cuda('12.6.68'),
  'usr/lib/aarch64-linux-gnu/libnvinfer.so.10': '',
  'usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0': '',
  // https://github.com/rbonghi/jetson_stats/issues/360
  'sys/devices/platform/gpu.0/load': '250\n',
  ...folder('sys/class/devfreq/17000000.gpu', { cur_freq: '306000000' }),
  ...folder('sys/class/devfreq/15340000.vic', { cur_freq: '115200000' }),
  ...folder('sys/devices/system/cpu/cpufreq/policy0', { scaling_cur_freq: '729600' }),
  ...folder('sys/devices/system/cpu/cpufreq/policy4', { scaling_cur_freq: '1510400' }),
  ...folder('sys/class/hwmon/hwmon0', {
    name: 'soctherm_oc',
    oc1_event_cnt: '0',
    oc2_event_cnt: '0',
    oc3_event_cnt: '3',
  }),
  ...coolingDevices([
    ['cpufreq-cpu0', 0],
    ['devfreq-17000000.gpu', 0],
    ['pwm-fan', 1],
    ['cpu-throttle-alert', 0],
    ['gpu-throttle-alert', 0],
    ['hot-surface-alert', 0],
  ]),
});

/** Channels of an INA3221 (Documentation/hwmon/ina3221.rst): label, millivolts, milliamperes; the seventh is their sum. */
const rails = (hwmon: number, channels: readonly (readonly [label: string, mV: number, mA: number])[]) =>
  Object.assign(
    folder(`sys/class/hwmon/hwmon${hwmon}`, { name: 'ina3221', in7_label: 'sum of shunt voltages', in7_input: '2040' }),
    ...channels.map(([label, mV, mA], index) =>
      folder(`sys/class/hwmon/hwmon${hwmon}`, {
        [`in${index + 1}_label`]: label,
        [`in${index + 1}_input`]: String(mV),
        [`curr${index + 1}_input`]: String(mA),
      }),
    ),
  ) as Record<string, string>;

const NVIDIA_SOURCES = [
  'https://developer.nvidia.com/cuda-gpus',
  'https://github.com/rbonghi/jetson_stats/issues/360',
  'https://docs.nvidia.com/jetson/archives/r36.4/DeveloperGuide/SD/PlatformPowerAndPerformance/JetsonOrinNanoSeriesJetsonOrinNxSeriesAndJetsonAgxOrinSeries.html',
];

export const jetsonOrinNano: BoardFixture = {
  board: 'jetson-orin-nano',
  sources: [
    ...NVIDIA_SOURCES,
    'https://github.com/OE4T/meta-tegra/wiki/Using-device-tree-overlays',
    'https://github.com/wendylabsinc/WendyOS-Builder/pull/199',
  ],
  arch: 'arm64',
  glibc: '2.35',
  files: {
    ...orin(6),
    'proc/meminfo': meminfo(7_802_832, 4_718_592, 3_901_408, 3_880_928),
    'proc/loadavg': '0.94 0.88 0.71 1/498 8411\n',
    'proc/device-tree/model': 'NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0',
    'proc/device-tree/compatible': 'nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,tegra234\0',
    ...rails(1, [
      ['VDD_IN', 5_056, 1_096],
      ['VDD_CPU_GPU_CV', 5_056, 184],
      ['VDD_SOC', 5_056, 304],
    ]),
    // The zones of engines that are switched off have no value.
    ...thermalZones({ 'cpu-thermal': 49_812, 'gpu-thermal': 48_906, 'soc0-thermal': 48_062, 'tj-thermal': 49_812 }),
    'sys/class/thermal/thermal_zone4/type': 'cv0-thermal\n',
    'sys/class/thermal/thermal_zone4/temp': '',
  },
  state: {
    memoryFreeMB: 4_608,
    swapUsedMB: 20,
    temperatureC: 49.812,
    load1: 0.94,
    cpuMHz: 1_510,
    gpuPercent: 25,
    gpuMHz: 306,
    powerW: 5.541,
    throttled: [],
  },
};

export const jetsonAgxOrin: BoardFixture = {
  board: 'jetson-agx-orin',
  sources: [
    ...NVIDIA_SOURCES,
    'https://github.com/NVIDIA/jetson-gpio/issues/125',
    'https://github.com/rbonghi/jetson_stats/issues/715',
  ],
  arch: 'arm64',
  glibc: '2.35',
  files: {
    ...orin(12),
    'proc/meminfo': meminfo(64_348_160, 58_720_256),
    'proc/loadavg': '2.10 1.40 1.02 3/811 9120\n',
    'proc/device-tree/model': 'NVIDIA Jetson AGX Orin Developer Kit\0',
    'proc/device-tree/compatible':
      'nvidia,p3737-0000+p3701-0005\0nvidia,p3701-0005\0nvidia,tegra234\0nvidia,tegra23x\0',
    // No rail is the whole here: what is measured is added up.
    ...rails(1, [
      ['VDD_GPU_SOC', 12_104, 400],
      ['VDD_CPU_CV', 12_104, 200],
      ['VIN_SYS_5V0', 5_000, 1_000],
    ]),
    ...rails(2, [
      ['NC', 0, 0],
      ['VDDQ_VDD2_1V8AO', 4_992, 250],
      ['NC', 0, 0],
    ]),
    ...thermalZones({ 'cpu-thermal': 46_500, 'gpu-thermal': 43_218, 'tj-thermal': 46_500 }),
  },
  state: {
    memoryFreeMB: 57_344,
    swapUsedMB: 0,
    temperatureC: 46.5,
    load1: 2.1,
    cpuMHz: 1_510,
    gpuPercent: 25,
    gpuMHz: 306,
    powerW: 13.51,
    throttled: [],
  },
};

/** Its device tree names the module only together with the carrier, as the binding of Linux has it. */
export const jetsonXavierNx: BoardFixture = {
  board: 'jetson-xavier-nx',
  sources: [
    ...NVIDIA_SOURCES,
    'https://github.com/torvalds/linux/blob/master/Documentation/devicetree/bindings/arm/tegra.yaml',
    'https://github.com/NVIDIA/jetson-gpio/blob/master/lib/python/Jetson/GPIO/gpio_pin_data.py',
    'https://developer.nvidia.com/embedded/jetpack-sdk-512',
  ],
  arch: 'arm64',
  glibc: '2.31',
  files: {
    'etc/os-release': 'PRETTY_NAME="Ubuntu 20.04.6 LTS"\nID=ubuntu\n',
    'etc/nv_tegra_release': R35_4_1,
    'proc/sys/kernel/osrelease': '5.10.120-tegra\n',
    'proc/cpuinfo': armCpuinfo(6, '0x4e', '0x004'),
    'proc/meminfo': meminfo(7_016_448, 4_194_304),
    'proc/loadavg': '0.33 0.40 0.38 1/402 7777\n',
    'proc/device-tree/model': 'NVIDIA Jetson Xavier NX Developer Kit\0',
    'proc/device-tree/compatible': 'nvidia,p3509-0000+p3668-0000\0nvidia,tegra194\0',
    'usr/local/cuda/version.json': cuda('11.4.315'),
    'usr/lib/aarch64-linux-gnu/libnvinfer.so.8.5.2': '',
    'sys/devices/gpu.0/load': '0\n',
    ...folder('sys/class/devfreq/17000000.gv11b', { cur_freq: '114750000' }),
    ...folder('sys/devices/system/cpu/cpufreq/policy0', { scaling_cur_freq: '1190400' }),
    ...rails(4, [
      ['VDD_IN', 4_976, 680],
      ['VDD_CPU_GPU_CV', 4_976, 80],
      ['VDD_SOC', 4_976, 168],
    ]),
    // The last one is no sensor: it says 100 °C on each of these boards, as tegrastats shows.
    ...thermalZones({ 'CPU-therm': 44_500, 'GPU-therm': 43_000, 'AO-therm': 43_500, 'PMIC-Die': 100_000 }),
    ...coolingDevices([['pwm-fan', 0]]),
  },
  state: {
    memoryFreeMB: 4_096,
    swapUsedMB: 0,
    temperatureC: 44.5,
    load1: 0.33,
    cpuMHz: 1_190,
    gpuPercent: 0,
    gpuMHz: 115,
    powerW: 3.384,
  },
};
