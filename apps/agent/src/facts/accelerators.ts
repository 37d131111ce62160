import type { Accelerator } from '@aviary/hardware';
import type { BoardRoot } from './board-root.ts';
import type { InstalledSoftware } from './installed-software.ts';
import type { RunTool } from './run-tool.ts';

const EDGE_TPU = { kind: 'tpu', vendor: 'Google' } as const;

/**
 * On USB the stick is Global Unichip's until the runtime has loaded its firmware, and Google's from then on
 * (https://coral.ai/docs/accelerator/get-started/).
 */
const CORAL_STICKS: ReadonlySet<string> = new Set(['1a6e:089a', '18d1:9302']);
const CORAL_PCI = '1ac1:089a';
/** Of a Hailo-8 and of a Hailo-8L: PCI does not tell them apart (https://github.com/raspberrypi/firmware/issues/1895). */
const HAILO_8 = '1e60:2864';
const NVIDIA = '10de:';

/** GPUs on a chip, with the compute capability that NVIDIA lists (https://developer.nvidia.com/cuda-gpus). */
const TEGRA: Readonly<Record<string, readonly [model: string, computeCapability: string]>> = {
  tegra234: ['Ampere', '8.7'],
  tegra194: ['Volta', '7.2'],
  tegra186: ['Pascal', '6.2'],
  tegra210: ['Maxwell', '5.3'],
};

/** What there is to ask. */
interface Board {
  readonly root: BoardRoot;
  readonly software: InstalledSoftware;
  readonly runTool: RunTool;
}

const edgeTpuLibrary = async ({ software }: Board): Promise<string | undefined> =>
  (await software.packageVersion('libedgetpu1-std')) ??
  (await software.packageVersion('libedgetpu1-max')) ??
  (await software.libraryVersion('libedgetpu'));

/** `HAILO8L`, `HAILO8_B0`: as HailoRT names them; releases say hailo8l and hailo8. */
const hailoArchitecture = async ({ runTool }: Board): Promise<string | undefined> => {
  const told = await runTool('hailortcli', ['fw-control', 'identify']);
  const [, name] = /^Device Architecture:\s*(\w+)/m.exec(told ?? '') ?? [];
  return name?.toLowerCase().replace(/_b\d$/, '');
};

const HAILO_MODELS: Readonly<Record<string, string>> = { hailo8: 'Hailo-8', hailo8l: 'Hailo-8L' };

const hailo = async (board: Board, id: string): Promise<Accelerator> => {
  const { root, software } = board;
  const architecture = await hailoArchitecture(board);
  return {
    kind: 'npu',
    vendor: 'Hailo',
    model: HAILO_MODELS[architecture ?? ''] ?? 'Hailo-8 or Hailo-8L',
    bus: 'pci',
    id,
    architecture,
    driver: await root.text('sys/module/hailo_pci/version'),
    library: (await software.libraryVersion('libhailort')) ?? (await software.packageVersion('hailort')),
  };
};

/** The driver has a folder for each card, named as PCI does; only its tool tells compute capability and memory. */
const nvidiaCard = async ({ root, runTool }: Board, address: string, id: string): Promise<Accelerator> => {
  const information = await root.text('proc/driver/nvidia/gpus', address, 'information');
  const [, model] = /^Model:\s*(.+)$/m.exec(information ?? '') ?? [];
  const driver = await root.text('sys/module/nvidia/version');
  const query = ['--query-gpu=compute_cap,memory.total', '--format=csv,noheader,nounits', `--id=${address}`];
  const told = driver === undefined ? undefined : await runTool('nvidia-smi', query);
  const [, computeCapability, memory] = /^(\d+\.\d+), (\d+)/.exec(told ?? '') ?? [];
  return {
    kind: 'gpu',
    vendor: 'NVIDIA',
    model: model ?? 'GPU',
    bus: 'pci',
    id,
    driver,
    computeCapability,
    memoryMB: memory === undefined ? undefined : Number(memory),
  };
};

const onPci = async (board: Board): Promise<Accelerator[]> => {
  const { root } = board;
  const folder = 'sys/bus/pci/devices';
  const found: Accelerator[] = [];
  for (const address of await root.names(folder)) {
    const read = async (name: string) => (await root.text(folder, address, name))?.replace(/^0x/, '') ?? '';
    const id = `${await read('vendor')}:${await read('device')}`;
    if (id === HAILO_8) found.push(await hailo(board, id));
    else if (id === CORAL_PCI) {
      const driver = await root.text('sys/module/apex/version');
      found.push({ ...EDGE_TPU, model: 'Edge TPU', bus: 'pci', id, driver, library: await edgeTpuLibrary(board) });
    } else if (id.startsWith(NVIDIA) && (await read('class')).startsWith('03')) {
      found.push(await nvidiaCard(board, address, id));
    }
  }
  return found;
};

const onUsb = async (board: Board): Promise<Accelerator[]> => {
  const { root } = board;
  const folder = 'sys/bus/usb/devices';
  const found: Accelerator[] = [];
  for (const name of await root.names(folder)) {
    const id = `${await root.text(folder, name, 'idVendor')}:${await root.text(folder, name, 'idProduct')}`;
    if (!CORAL_STICKS.has(id)) continue;
    const library = await edgeTpuLibrary(board);
    found.push({ ...EDGE_TPU, model: 'Coral USB Accelerator', bus: 'usb', id, library });
  }
  return found;
};

const onChip = (compatible: readonly string[]): Accelerator[] =>
  Object.entries(TEGRA)
    .filter(([chip]) => compatible.includes(`nvidia,${chip}`))
    .map(([id, [model, computeCapability]]) => ({
      kind: 'gpu',
      vendor: 'NVIDIA',
      model,
      bus: 'soc',
      id,
      computeCapability,
    }));

/** All that can run models faster than the processor. @param compatible of the device tree */
export const findAccelerators = async (board: Board, compatible: readonly string[]): Promise<Accelerator[]> => [
  ...onChip(compatible),
  ...(await onPci(board)),
  ...(await onUsb(board)),
];
