import { mkdir, symlink } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { type DeviceFacts, exampleFacts } from '@aviary/hardware';
import { describe, expect, it, vi } from 'vitest';
import type { BoardFixture } from '../testing/boards/board-fixture.ts';
import { BOARDS, detectionOf, writeBoard } from '../testing/boards/boards.ts';
import { x8664 } from '../testing/boards/pc.ts';
import { rpi5, rpi5Hailo8l, rpiCoralUsb } from '../testing/boards/raspberry-pi.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { AGENT_VERSION } from '../version.ts';
import { detectFacts } from './detect-facts.ts';
import type { ToldSidecars } from './runtimes.ts';

const makeFolder = temporaryFolders();

/** Facts of a board with other files and tools beside its own, or in their place. */
const factsOf = async (
  board: BoardFixture,
  { files = {}, tools = {} }: { files?: Record<string, string>; tools?: Record<string, string> } = {},
): Promise<DeviceFacts> => {
  const changed = { ...board, files: { ...board.files, ...files }, tools: { ...board.tools, ...tools } };
  return detectFacts('/nowhere', detectionOf(changed, await writeBoard(await makeFolder(), changed.files)));
};

describe('the facts of this machine', () => {
  it('are found, whatever it is', async () => {
    const facts = await detectFacts(await makeFolder());
    expect(facts).toMatchObject({ agentVersion: AGENT_VERSION, arch: arch(), cpu: { cores: expect.any(Number) } });
    expect(facts.memoryMB).toBeGreaterThan(0);
    expect(facts.diskFreeMB).toBeGreaterThan(0);
    expect(facts.runtimes[0]).toMatchObject({ name: 'onnxruntime', providers: expect.arrayContaining(['cpu']) });
    expect(facts).not.toHaveProperty('simulated');
  });

  it('are found without a disk that can be asked', async () => {
    expect((await detectFacts('/nowhere')).diskFreeMB).toBeUndefined();
  });
});

describe('the facts of a board', () => {
  it.each(BOARDS)('are found in the files of a $board', async (fixture) => {
    const { timeZone: _, ...facts } = await factsOf(fixture);
    const { diskFreeMB: __, ...expected } = exampleFacts(fixture.board);
    expect(facts).toEqual({ ...expected, agentVersion: AGENT_VERSION });
  });

  it('mark the runtimes that are installed and that the agent cannot use', async () => {
    const { sidecars: _, ...detection } = detectionOf(
      rpi5Hailo8l,
      await writeBoard(await makeFolder(), rpi5Hailo8l.files),
    );
    const { runtimes } = await detectFacts('/nowhere', detection);
    expect(runtimes).toEqual([
      { name: 'onnxruntime', version: '1.30.0', providers: ['cpu'] },
      { name: 'hailort', version: '4.20.0', providers: [], usable: false },
    ]);
  });

  it('have a runtime in the version of the sidecar that has answered, wherever it is installed', async () => {
    const detection = detectionOf(rpi5, await writeBoard(await makeFolder(), rpi5.files));
    const proven: ToldSidecars['proven'] = [
      { hello: { runtime: 'tensorrt', version: '10.3.0', prepares: ['onnx'] } },
      { hello: { runtime: 'tensorrt', version: '8.6.1' } },
      { hello: { runtime: 'tflite', version: '2.14.0', prepares: [] } },
    ];
    const { runtimes, failedSidecars } = await detectFacts('/nowhere', {
      ...detection,
      sidecars: { proven, failed: [] },
    });
    expect(runtimes.slice(1)).toEqual([
      { name: 'tensorrt', version: '10.3.0', providers: [], prepares: ['onnx'] },
      { name: 'tflite', version: '2.14.0', providers: [] },
    ]);
    expect(failedSidecars).toBeUndefined();
  });

  it('say why a sidecar has not answered, and do not take its runtime for usable', async () => {
    const detection = detectionOf(rpi5Hailo8l, await writeBoard(await makeFolder(), rpi5Hailo8l.files));
    const failed: ToldSidecars['failed'] = [
      { name: 'hailo', runtime: 'hailort', problem: 'x'.repeat(1000) },
      { name: 'broken', runtime: undefined, problem: 'no JSON' },
    ];
    const facts = await detectFacts('/nowhere', { ...detection, sidecars: { proven: [], failed } });
    expect(facts.runtimes[1]).toEqual({ name: 'hailort', version: '4.20.0', providers: [], usable: false });
    expect(facts.failedSidecars).toEqual([
      { name: 'hailo', runtime: 'hailort', problem: `${'x'.repeat(255)}…` },
      { name: 'broken', problem: 'no JSON' },
    ]);
  });

  it('are absent where no file tells them', async () => {
    const facts = await factsOf({ ...rpi5, files: { 'proc/cpuinfo': rpi5.files['proc/cpuinfo'] ?? '' } });
    expect(facts).toMatchObject({ cpu: { model: 'Cortex-A76', cores: 4 }, accelerators: [], revision: 'd04170' });
    expect([facts.l4t, facts.cuda, facts.deviceTree]).toEqual([undefined, undefined, undefined]);
    expect(facts.runtimes.map(({ name }) => name)).toEqual(['onnxruntime']);
  });

  it('give the numbers of a processor that nobody has named', async () => {
    const cpuinfo = 'processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xfff\n';
    expect((await factsOf(rpi5, { files: { 'proc/cpuinfo': cpuinfo } })).cpu).toEqual({
      model: 'ARM 0x41 0xfff',
      cores: 1,
    });
  });

  it('name both kinds of cores of a board that has two', async () => {
    const core = (part: string) => `processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: ${part}\n\n`;
    const cpuinfo = core('0xd03') + core('0xd03') + core('0xd09');
    expect((await factsOf(rpi5, { files: { 'proc/cpuinfo': cpuinfo } })).cpu).toEqual({
      model: 'Cortex-A53 + Cortex-A73',
      cores: 3,
    });
  });

  it('take Jetson Linux from its package in a container, which has no /etc/nv_tegra_release', async () => {
    const status = 'Package: nvidia-l4t-core\nStatus: install ok installed\nVersion: 36.4.3-20250107174145\n';
    expect((await factsOf(rpi5, { files: { 'var/lib/dpkg/status': status } })).l4t).toBe('36.4.3');
  });

  it('do not count a package that was removed', async () => {
    const status = 'Package: nvidia-l4t-core\nStatus: deinstall ok config-files\nVersion: 36.4.3-20250107174145\n';
    expect((await factsOf(rpi5, { files: { 'var/lib/dpkg/status': status } })).l4t).toBeUndefined();
  });

  it('have the time zone of the board', async () => {
    vi.stubEnv('TZ', '');
    const zoneOf = async (prepare: (folder: string) => Promise<unknown>) => {
      const folder = await makeFolder();
      await mkdir(join(folder, 'etc'));
      await prepare(folder);
      return (await detectFacts('/nowhere', detectionOf(rpi5, await writeBoard(folder, rpi5.files)))).timeZone;
    };
    const link = (folder: string) => symlink('../usr/share/zoneinfo/Europe/Paris', join(folder, 'etc/localtime'));
    expect(await zoneOf(link)).toBe('Europe/Paris');
    expect(await zoneOf(async () => undefined)).toBe('UTC');
    expect((await factsOf(rpi5, { files: { 'etc/timezone': 'Asia/Tokyo\n' } })).timeZone).toBe('Asia/Tokyo');
    vi.stubEnv('TZ', ':Europe/Vilnius');
    expect(await zoneOf(link)).toBe('Europe/Vilnius');
    vi.stubEnv('TZ', 'CET-1CEST,M3.5.0,M10.5.0/3');
    expect(await zoneOf(link)).toBe('Europe/Paris');
    vi.unstubAllEnvs();
  });

  it('know the Coral stick before its firmware is loaded', async () => {
    const files = { 'sys/bus/usb/devices/2-1/idVendor': '1a6e\n', 'sys/bus/usb/devices/2-1/idProduct': '089a\n' };
    expect((await factsOf(rpiCoralUsb, { files })).accelerators).toEqual([
      expect.objectContaining({ model: 'Coral USB Accelerator', bus: 'usb', id: '1a6e:089a', library: '16.0' }),
    ]);
  });
});

describe('a Hailo', () => {
  const identified = (name: string) => ({
    'hailortcli fw-control identify': `Board Name: Hailo-8\nDevice Architecture: ${name}\n`,
  });

  // PCI has one id for both: https://github.com/raspberrypi/firmware/issues/1895
  it.each([
    ['HAILO8L', 'Hailo-8L', 'hailo8l'],
    ['HAILO8', 'Hailo-8', 'hailo8'],
    // As the documentation of Hailo's own TAPPAS has it.
    ['HAILO8_B0', 'Hailo-8', 'hailo8'],
  ])('that calls itself %s is a %s', async (name, model, architecture) => {
    const [accelerator] = (await factsOf(rpi5Hailo8l, { tools: identified(name) })).accelerators;
    expect(accelerator).toMatchObject({ id: '1e60:2864', model, architecture });
  });

  it('is one of both where its tool is missing', async () => {
    const [accelerator] = (await factsOf({ ...rpi5Hailo8l, tools: {} })).accelerators;
    expect(accelerator).toMatchObject({ model: 'Hailo-8 or Hailo-8L', driver: '4.20.0', library: '4.20.0' });
    expect(accelerator?.architecture).toBeUndefined();
  });
});

describe('an NVIDIA card', () => {
  const files = {
    'sys/bus/pci/devices/0000:01:00.0/vendor': '0x10de\n',
    'sys/bus/pci/devices/0000:01:00.0/device': '0x2504\n',
    'sys/bus/pci/devices/0000:01:00.0/class': '0x030000\n',
    // Its sound, which is no accelerator.
    'sys/bus/pci/devices/0000:01:00.1/vendor': '0x10de\n',
    'sys/bus/pci/devices/0000:01:00.1/device': '0x228e\n',
    'sys/bus/pci/devices/0000:01:00.1/class': '0x040300\n',
  };
  const driver = {
    'sys/module/nvidia/version': '535.183.01\n',
    'proc/driver/nvidia/gpus/0000:01:00.0/information':
      'Model: \t\t NVIDIA GeForce RTX 3060\nIRQ:   \t\t 145\nBus Type: \t PCIe\n',
  };
  const query = 'nvidia-smi --query-gpu=compute_cap,memory.total --format=csv,noheader,nounits --id=0000:01:00.0';

  it('has the name and driver of its files, and what its tool says', async () => {
    const { accelerators } = await factsOf(x8664, {
      files: { ...files, ...driver },
      tools: { [query]: '8.6, 12288' },
    });
    expect(accelerators).toEqual([
      {
        kind: 'gpu',
        vendor: 'NVIDIA',
        model: 'NVIDIA GeForce RTX 3060',
        bus: 'pci',
        id: '10de:2504',
        driver: '535.183.01',
        computeCapability: '8.6',
        memoryMB: 12_288,
      },
    ]);
  });

  it('has no capability that nobody told', async () => {
    const { accelerators } = await factsOf(x8664, { files });
    expect(accelerators).toEqual([{ kind: 'gpu', vendor: 'NVIDIA', model: 'GPU', bus: 'pci', id: '10de:2504' }]);
  });
});
