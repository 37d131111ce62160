import {
  armCpuinfo,
  type BoardFixture,
  coolingDevices,
  dpkgStatus,
  folder,
  meminfo,
  thermalZones,
} from './board-fixture.ts';

const BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n';

/** Revision codes: https://www.raspberrypi.com/documentation/computers/raspberry-pi.html#raspberry-pi-revision-codes */
const identity = (model: string, revision: string) => `Revision\t: ${revision}\nModel\t\t: ${model}\n`;

const supply = (hwmon: number) => folder(`sys/class/hwmon/hwmon${hwmon}`, { name: 'rpi_volt', in0_lcrit_alarm: '0' });

const pi4 = (model: string, revision: string): Record<string, string> => ({
  'etc/os-release': BOOKWORM,
  'proc/sys/kernel/osrelease': '6.6.51+rpt-rpi-v8\n',
  // Implementer and part: https://github.com/nicolargo/glances/issues/2616
  'proc/cpuinfo': armCpuinfo(4, '0x41', '0xd08', identity(model, revision)),
  'proc/meminfo': meminfo(3_884_348, 3_287_040, 102_396),
  'proc/loadavg': '0.52 0.41 0.30 1/187 2301\n',
  'proc/device-tree/model': `${model}\0`,
  // https://github.com/raspberrypi/linux/pull/3244
  'proc/device-tree/compatible': 'raspberrypi,4-model-b\0brcm,bcm2711\0',
  // https://github.com/raspberrypi/linux/pull/2397
  'sys/devices/platform/soc/soc:firmware/get_throttled': '0\n',
  ...folder('sys/devices/system/cpu/cpufreq/policy0', { scaling_cur_freq: '1800000', cpuinfo_max_freq: '1800000' }),
  ...folder('sys/class/hwmon/hwmon0', { name: 'cpu_thermal', temp1_input: '48199' }),
  ...supply(1),
  ...thermalZones({ 'cpu-thermal': 48_199 }),
});

const pi4State = {
  memoryFreeMB: 3_210,
  swapUsedMB: 0,
  temperatureC: 48.199,
  load1: 0.52,
  cpuMHz: 1_800,
} as const;

const PI_SOURCES = [
  'https://www.raspberrypi.com/documentation/computers/raspberry-pi.html',
  'https://github.com/raspberrypi/linux/blob/rpi-6.6.y/drivers/firmware/raspberrypi.c',
  'https://github.com/raspberrypi/linux/blob/rpi-6.6.y/drivers/hwmon/raspberrypi-hwmon.c',
];

export const rpi4: BoardFixture = {
  board: 'rpi4',
  sources: [...PI_SOURCES, 'https://github.com/nicolargo/glances/issues/2616'],
  arch: 'arm64',
  glibc: '2.36',
  files: pi4('Raspberry Pi 4 Model B Rev 1.5', 'c03115'),
  state: { ...pi4State, throttled: [] },
};

/** The stick, after its runtime has loaded the firmware: https://coral.ai/docs/accelerator/get-started/ */
export const rpiCoralUsb: BoardFixture = {
  board: 'rpi-coral-usb',
  sources: [
    ...PI_SOURCES,
    'https://coral.ai/docs/accelerator/get-started/',
    'https://github.com/google-coral/edgetpu/issues/807',
    'https://pypi.org/project/tflite-runtime/2.14.0/',
  ],
  arch: 'arm64',
  glibc: '2.36',
  files: {
    ...pi4('Raspberry Pi 4 Model B Rev 1.4', 'c03114'),
    ...folder('sys/bus/usb/devices/usb2', { idVendor: '1d6b', idProduct: '0003' }),
    ...folder('sys/bus/usb/devices/2-1', { idVendor: '18d1', idProduct: '9302' }),
    // An interface, which has no ids of its own.
    ...folder('sys/bus/usb/devices/2-1:1.0', { bInterfaceClass: 'ff' }),
    'var/lib/dpkg/status': dpkgStatus({ libc6: '2.36-9+rpt2+deb12u9', 'libedgetpu1-std': '16.0' }),
    'usr/local/lib/python3.11/dist-packages/tflite_runtime-2.14.0.dist-info/METADATA': 'Name: tflite-runtime\n',
  },
  state: { ...pi4State, throttled: [] },
};

const pi5: Record<string, string> = {
  'etc/os-release': BOOKWORM,
  'proc/sys/kernel/osrelease': '6.6.51+rpt-rpi-2712\n',
  // Implementer, part and revision: https://github.com/hrw/arm-socs-table/issues/96
  'proc/cpuinfo': armCpuinfo(4, '0x41', '0xd0b', identity('Raspberry Pi 5 Model B Rev 1.0', 'd04170')),
  'proc/meminfo': meminfo(8_245_136, 7_340_032, 204_784, 200_688),
  'proc/loadavg': '1.07 0.80 0.44 2/210 1911\n',
  'proc/device-tree/model': 'Raspberry Pi 5 Model B Rev 1.0\0',
  'proc/device-tree/compatible': 'raspberrypi,5-model-b\0brcm,bcm2712\0',
  'sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled': '0\n',
  ...folder('sys/devices/system/cpu/cpufreq/policy0', { scaling_cur_freq: '2400000', cpuinfo_max_freq: '2400000' }),
  ...supply(2),
  ...thermalZones({ 'cpu-thermal': 57_300 }),
  // The fan is at its second step, and slows nothing down.
  ...coolingDevices([['pwm-fan', 2]]),
};

const pi5State = { memoryFreeMB: 7_168, swapUsedMB: 4, temperatureC: 57.3, load1: 1.07, cpuMHz: 2_400 } as const;

export const rpi5: BoardFixture = {
  board: 'rpi5',
  sources: [...PI_SOURCES, 'https://github.com/hrw/arm-socs-table/issues/96'],
  arch: 'arm64',
  glibc: '2.36',
  files: pi5,
  state: { ...pi5State, throttled: [] },
};

/** A Hailo-8L has the PCI id of a Hailo-8 (https://github.com/raspberrypi/firmware/issues/1895): HailoRT tells them apart. */
export const rpi5Hailo8l: BoardFixture = {
  board: 'rpi5-hailo8l',
  sources: [
    ...PI_SOURCES,
    'https://github.com/raspberrypi/firmware/issues/1895',
    'https://github.com/hailo-ai/hailort-drivers/blob/master/linux/pcie/src/pcie.c',
    'https://www.raspberrypi.com/documentation/computers/ai.html',
    'https://github.com/hailo-ai/hailo-apps/issues/139',
  ],
  arch: 'arm64',
  glibc: '2.36',
  files: {
    ...pi5,
    ...folder('sys/bus/pci/devices/0000:00:00.0', { vendor: '0x14e4', device: '0x2712', class: '0x060400' }),
    ...folder('sys/bus/pci/devices/0000:01:00.0', { vendor: '0x1e60', device: '0x2864', class: '0x0b4000' }),
    'sys/module/hailo_pci/version': '4.20.0\n',
    'usr/lib/libhailort.so.4.20.0': '',
    'var/lib/dpkg/status': dpkgStatus({ libc6: '2.36-9+rpt2+deb12u9', hailort: '4.20.0' }),
  },
  tools: {
    'hailortcli fw-control identify': `Executing on device: 0000:01:00.0
Identifying board
Control Protocol Version: 2
Firmware Version: 4.20.0 (release,app,extended context switch buffer)
Logger Version: 0
Board Name: Hailo-8
Device Architecture: HAILO8L
Serial Number: N/A
Part Number: N/A
Product Name: N/A
`,
  },
  state: { ...pi5State, throttled: [] },
};
