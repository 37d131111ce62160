import { type DeviceFacts, deviceFactsSchema } from './facts.ts';

const common = { agentVersion: '0.1.0', glibc: '2.36', diskFreeMB: 20_000 };
const debian = { os: 'Debian GNU/Linux 12 (bookworm)', kernel: '6.6.51+rpt-rpi-v8' };
const debianOnPi5 = { ...debian, kernel: '6.6.51+rpt-rpi-2712', revision: 'd04170' };
const jetson = {
  os: 'Ubuntu 22.04.5 LTS',
  kernel: '5.15.148-tegra',
  glibc: '2.35',
  l4t: '36.4.3',
  cuda: '12.6.68',
};
const ortCpu = { name: 'onnxruntime', version: '1.30.0', providers: ['cpu'] };

const orin = (computeCapability: string) => ({
  accelerators: [{ kind: 'gpu', vendor: 'NVIDIA', model: 'Ampere', bus: 'soc', id: 'tegra234', computeCapability }],
  runtimes: [ortCpu, { name: 'tensorrt', version: '10.3.0' }],
});

/**
 * Facts as such boards report them, by the id of the profile that fits: for demos and tests. The agent finds just these in
 * the files of such boards, as `apps/agent/src/testing/boards` has them with their sources.
 */
const EXAMPLES: Record<string, unknown> = {
  rpi4: {
    ...common,
    ...debian,
    revision: 'c03115',
    arch: 'arm64',
    cpu: { model: 'Cortex-A72', cores: 4 },
    memoryMB: 3_793,
    deviceTree: { model: 'Raspberry Pi 4 Model B Rev 1.5', compatible: ['raspberrypi,4-model-b', 'brcm,bcm2711'] },
    accelerators: [],
    runtimes: [ortCpu],
  },
  rpi5: {
    ...common,
    ...debianOnPi5,
    arch: 'arm64',
    cpu: { model: 'Cortex-A76', cores: 4 },
    memoryMB: 8_052,
    deviceTree: { model: 'Raspberry Pi 5 Model B Rev 1.0', compatible: ['raspberrypi,5-model-b', 'brcm,bcm2712'] },
    accelerators: [],
    runtimes: [ortCpu],
  },
  'rpi5-hailo8l': {
    ...common,
    ...debianOnPi5,
    arch: 'arm64',
    cpu: { model: 'Cortex-A76', cores: 4 },
    memoryMB: 8_052,
    deviceTree: { model: 'Raspberry Pi 5 Model B Rev 1.0', compatible: ['raspberrypi,5-model-b', 'brcm,bcm2712'] },
    accelerators: [
      {
        kind: 'npu',
        vendor: 'Hailo',
        model: 'Hailo-8L',
        bus: 'pci',
        id: '1e60:2864',
        architecture: 'hailo8l',
        driver: '4.20.0',
        library: '4.20.0',
      },
    ],
    runtimes: [ortCpu, { name: 'hailort', version: '4.20.0' }],
  },
  'rpi-coral-usb': {
    ...common,
    ...debian,
    revision: 'c03114',
    arch: 'arm64',
    cpu: { model: 'Cortex-A72', cores: 4 },
    memoryMB: 3_793,
    deviceTree: { model: 'Raspberry Pi 4 Model B Rev 1.4', compatible: ['raspberrypi,4-model-b', 'brcm,bcm2711'] },
    accelerators: [
      {
        kind: 'tpu',
        vendor: 'Google',
        model: 'Coral USB Accelerator',
        bus: 'usb',
        id: '18d1:9302',
        library: '16.0',
      },
    ],
    runtimes: [ortCpu, { name: 'tflite', version: '2.14.0' }],
  },
  'coral-dev-board': {
    ...common,
    arch: 'arm64',
    os: 'Mendel GNU/Linux 5 (Eagle)',
    kernel: '4.14.98-imx',
    glibc: '2.28',
    cpu: { model: 'Cortex-A53', cores: 4 },
    memoryMB: 975,
    deviceTree: { model: 'Freescale i.MX8MQ Phanbell', compatible: ['fsl,imx8mq-phanbell', 'fsl,imx8mq'] },
    accelerators: [
      {
        kind: 'tpu',
        vendor: 'Google',
        model: 'Edge TPU',
        bus: 'pci',
        id: '1ac1:089a',
        driver: '1.1',
        library: '16.0',
      },
    ],
    runtimes: [ortCpu, { name: 'tflite', version: '2.5.0.post1' }],
  },
  'jetson-orin-nano': {
    ...common,
    ...jetson,
    ...orin('8.7'),
    arch: 'arm64',
    cpu: { model: 'Cortex-A78AE', cores: 6 },
    memoryMB: 7_620,
    deviceTree: {
      model: 'NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super',
      compatible: ['nvidia,p3768-0000+p3767-0005-super', 'nvidia,p3767-0005', 'nvidia,tegra234'],
    },
  },
  'jetson-agx-orin': {
    ...common,
    ...jetson,
    ...orin('8.7'),
    arch: 'arm64',
    cpu: { model: 'Cortex-A78AE', cores: 12 },
    memoryMB: 62_840,
    deviceTree: {
      model: 'NVIDIA Jetson AGX Orin Developer Kit',
      compatible: ['nvidia,p3737-0000+p3701-0005', 'nvidia,p3701-0005', 'nvidia,tegra234', 'nvidia,tegra23x'],
    },
  },
  'jetson-xavier-nx': {
    ...common,
    ...jetson,
    arch: 'arm64',
    os: 'Ubuntu 20.04.6 LTS',
    kernel: '5.10.120-tegra',
    glibc: '2.31',
    l4t: '35.4.1',
    cuda: '11.4.315',
    cpu: { model: 'Carmel', cores: 6 },
    memoryMB: 6_852,
    deviceTree: {
      model: 'NVIDIA Jetson Xavier NX Developer Kit',
      compatible: ['nvidia,p3509-0000+p3668-0000', 'nvidia,tegra194'],
    },
    accelerators: [
      { kind: 'gpu', vendor: 'NVIDIA', model: 'Volta', bus: 'soc', id: 'tegra194', computeCapability: '7.2' },
    ],
    runtimes: [ortCpu, { name: 'tensorrt', version: '8.5.2' }],
  },
  'x86-64': {
    ...common,
    arch: 'x64',
    os: 'Debian GNU/Linux 12 (bookworm)',
    kernel: '6.1.0-28-amd64',
    cpu: { model: 'Intel(R) N100', cores: 4 },
    memoryMB: 15_788,
    accelerators: [],
    runtimes: [ortCpu],
  },
};

/** Boards of which there are example facts. */
export const EXAMPLE_BOARDS: readonly string[] = Object.keys(EXAMPLES);

/**
 * Facts of an example board, by the id of its profile, e.g. `rpi5`.
 * @throws RangeError naming the boards that there are
 */
export const exampleFacts = (board: string): DeviceFacts => {
  const facts = Object.hasOwn(EXAMPLES, board) ? EXAMPLES[board] : undefined;
  if (facts === undefined) throw new RangeError(`Expected one of ${EXAMPLE_BOARDS.join(', ')}, got "${board}".`);
  return deviceFactsSchema.parse(facts);
};
