import {
  armCpuinfo,
  type BoardFixture,
  coolingDevices,
  dpkgStatus,
  folder,
  meminfo,
  thermalZones,
} from './board-fixture.ts';

export const coralDevBoard: BoardFixture = {
  board: 'coral-dev-board',
  sources: [
    'https://coral.ai/docs/dev-board/datasheet/',
    'https://github.com/google-coral/edgetpu/issues/688',
    'https://github.com/google-coral/edgetpu/issues/197',
    'https://github.com/google-coral/edgetpu/issues/343',
    'https://github.com/google/gasket-driver/blob/main/src/apex_driver.c',
  ],
  arch: 'arm64',
  glibc: '2.28',
  files: {
    'etc/os-release': 'PRETTY_NAME="Mendel GNU/Linux 5 (Eagle)"\nID=mendel\n',
    'proc/sys/kernel/osrelease': '4.14.98-imx\n',
    // "Boot CPU: AArch64 Processor [410fd034]" in issue 688: implementer 0x41, part 0xd03.
    'proc/cpuinfo': armCpuinfo(4, '0x41', '0xd03'),
    'proc/meminfo': meminfo(998_708, 655_360),
    'proc/loadavg': '0.10 0.05 0.01 1/155 901\n',
    'proc/device-tree/model': 'Freescale i.MX8MQ Phanbell\0',
    'proc/device-tree/compatible': 'fsl,imx8mq-phanbell\0fsl,imx8mq\0',
    ...folder('sys/devices/system/cpu/cpufreq/policy0', { scaling_cur_freq: '1000000', cpuinfo_max_freq: '1500000' }),
    ...thermalZones({ 'cpu-thermal': 52_000, 'gpu-thermal': 51_000, 'vpu-thermal': 50_000 }),
    ...coolingDevices([
      ['thermal-cpufreq-0', 0],
      ['gpio-fan', 0],
    ]),
    ...folder('sys/bus/pci/devices/0001:00:00.0', { vendor: '0x16c3', device: '0xabcd', class: '0x060400' }),
    ...folder('sys/bus/pci/devices/0001:01:00.0', { vendor: '0x1ac1', device: '0x089a', class: '0x088000' }),
    'sys/module/apex/version': '1.1\n',
    // The lowest of three temperatures at which the clock is lowered, as in issue 197.
    'sys/module/apex/parameters/trip_point0_temp': '85000\n',
    ...folder('sys/class/apex/apex_0', { temp: '49800', driver_version: '1.1' }),
    'var/lib/dpkg/status': dpkgStatus({
      libc6: '2.28-10',
      'libedgetpu1-std': '16.0',
      'python3-tflite-runtime': '2.5.0.post1',
    }),
  },
  state: {
    memoryFreeMB: 640,
    swapUsedMB: 0,
    temperatureC: 52,
    acceleratorC: 49.8,
    load1: 0.1,
    cpuMHz: 1_000,
    throttled: [],
  },
};
