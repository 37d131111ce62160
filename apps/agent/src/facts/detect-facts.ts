import { existsSync } from 'node:fs';
import { readdir, readFile, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { type Accelerator, type DeviceFacts, deviceFactsSchema } from '@aviary/hardware';
import si from 'systeminformation';
import { z } from 'zod';
import { AGENT_VERSION } from '../version.ts';

const MEGABYTE = 1024 * 1024;

/** Facts that were given in a file are not facts. */
export class FactsError extends Error {
  readonly code = 'facts-invalid';
}

const text = async (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').then(
    (content) => content.replaceAll('\0', '\n').trim(),
    () => undefined,
  );

const KNOWN: Record<string, Pick<Accelerator, 'kind' | 'vendor' | 'model'>> = {
  '1ac1:089a': { kind: 'tpu', vendor: 'Google', model: 'Edge TPU' },
  '1a6e:089a': { kind: 'tpu', vendor: 'Google', model: 'Coral USB Accelerator' },
  '18d1:9302': { kind: 'tpu', vendor: 'Google', model: 'Coral USB Accelerator' },
  '1e60:2864': { kind: 'npu', vendor: 'Hailo', model: 'Hailo-8' },
};

const onBus = async (bus: 'pci' | 'usb', vendorFile: string, deviceFile: string): Promise<Accelerator[]> => {
  const root = `/sys/bus/${bus}/devices`;
  const found: Accelerator[] = [];
  for (const name of await readdir(root).catch(() => [])) {
    const [vendor, device] = await Promise.all([
      text(join(root, name, vendorFile)),
      text(join(root, name, deviceFile)),
    ]);
    if (vendor === undefined || device === undefined) continue;
    const id = `${vendor.replace(/^0x/, '')}:${device.replace(/^0x/, '')}`;
    const known = KNOWN[id];
    if (known !== undefined) found.push({ ...known, bus, id });
    const isDisplay = bus === 'pci' && (await text(join(root, name, 'class')))?.startsWith('0x03') === true;
    if (isDisplay && id.startsWith('10de:')) found.push({ kind: 'gpu', vendor: 'NVIDIA', model: 'GPU', bus, id });
  }
  return found;
};

/** CUDA compute capability of Tegra chips, as NVIDIA lists them. */
const TEGRA: Record<string, string> = { 'nvidia,tegra234': '8.7', 'nvidia,tegra194': '7.2' };

const onChip = (compatible: readonly string[]): Accelerator[] =>
  Object.entries(TEGRA)
    .filter(([chip]) => compatible.includes(chip))
    .map(([chip, computeCapability]) => ({
      kind: 'gpu',
      vendor: 'NVIDIA',
      model: 'Tegra',
      bus: 'soc',
      id: chip.replace('nvidia,', ''),
      computeCapability,
    }));

const onnxRuntime = async () => {
  const require = createRequire(import.meta.url);
  const entry = require.resolve('onnxruntime-node');
  const folder = dirname(dirname(entry));
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string };
  const cuda = join(folder, 'bin', 'napi-v6', process.platform, process.arch, 'libonnxruntime_providers_cuda.so');
  return { name: 'onnxruntime' as const, version, providers: existsSync(cuda) ? ['cuda', 'cpu'] : ['cpu'] };
};

/** Finds out what this board is. Takes a moment and starts programs: done once, when the agent starts. */
export const detectFacts = async (stateDirectory: string): Promise<DeviceFacts> => {
  const [cpu, os, model, compatible, l4t, disk, pci, usb, runtime] = await Promise.all([
    si.cpu(),
    si.osInfo(),
    text('/proc/device-tree/model'),
    text('/proc/device-tree/compatible'),
    text('/etc/nv_tegra_release'),
    statfs(stateDirectory).catch(() => undefined),
    onBus('pci', 'vendor', 'device'),
    onBus('usb', 'idVendor', 'idProduct'),
    onnxRuntime(),
  ]);
  const compatibles = compatible?.split('\n') ?? [];
  // Without this the report asks the name server about every open connection.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  const [, major, revision] = /R(\d+).*REVISION:\s*([\d.]+)/.exec(l4t ?? '') ?? [];
  return deviceFactsSchema.parse({
    agentVersion: AGENT_VERSION,
    arch: arch(),
    os: `${os.distro} ${os.release}`.trim() || process.platform,
    kernel: release(),
    glibc: header.glibcVersionRuntime,
    l4t: major === undefined ? undefined : `${major}.${revision}`,
    cpu: { model: `${cpu.manufacturer} ${cpu.brand}`.trim() || 'unknown', cores: cpu.cores || 1 },
    memoryMB: Math.round(totalmem() / MEGABYTE),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    diskFreeMB: disk === undefined ? undefined : Math.floor((disk.bavail * disk.bsize) / MEGABYTE),
    deviceTree: model === undefined ? undefined : { model, compatible: compatibles },
    accelerators: [...onChip(compatibles), ...pci, ...usb],
    runtimes: [runtime],
  });
};

/** Facts from a file, for a board that is only played: they are marked so. @throws FactsError */
export const readFacts = async (path: string): Promise<DeviceFacts> => {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new FactsError(`The facts in ${path} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  const parsed = deviceFactsSchema.safeParse(value);
  if (!parsed.success)
    throw new FactsError(`${path} does not hold the facts of a device:\n${z.prettifyError(parsed.error)}`);
  return { ...parsed.data, simulated: true };
};
