import { statfs } from 'node:fs/promises';
import { arch, release, totalmem } from 'node:os';
import { type DeviceFacts, deviceFactsSchema, type RuntimeFact } from '@aviary/hardware';
import { AGENT_VERSION } from '../version.ts';
import { findAccelerators } from './accelerators.ts';
import { BoardRoot } from './board-root.ts';
import { InstalledSoftware } from './installed-software.ts';
import { findOwnGlibc } from './own-glibc.ts';
import { findProcessor, findRevision } from './processor.ts';
import { type RunTool, runTool } from './run-tool.ts';
import { failedSidecars, findCuda, findL4t, findRuntimes, ownOnnxRuntime, type ToldSidecars } from './runtimes.ts';

const MEGABYTE = 1024 * 1024;
const KILOBYTES = 1024;

/** What a process knows of itself, and no file of the board tells. */
export interface OwnFacts {
  readonly arch: string;
  readonly glibc: string | undefined;
  readonly onnxRuntime: RuntimeFact;
}

export interface DetectOptions {
  /** The board's files. */
  readonly root?: BoardRoot;
  readonly runTool?: RunTool;
  readonly own?: OwnFacts;
  /** What has come of the board's sidecars. */
  readonly sidecars?: ToldSidecars;
}

const ownFacts = async (): Promise<OwnFacts> => ({
  arch: arch(),
  glibc: await findOwnGlibc(),
  onnxRuntime: await ownOnnxRuntime(),
});

/** The name that a system gives itself: os-release(5). */
const osName = async (root: BoardRoot): Promise<string> => {
  const content = (await root.text('etc/os-release')) ?? (await root.text('usr/lib/os-release')) ?? '';
  const [, name] = /^PRETTY_NAME=["']?(.*?)["']?$/m.exec(content) ?? [];
  return name || process.platform;
};

/** A name of the IANA database; TZ may also hold rules, which have none. */
const ZONE = /^:?([A-Za-z_]+(?:\/[\w+-]+)*)$/;

/**
 * The time zone of the board: of TZ, of the link /etc/localtime, of Debian's /etc/timezone, and without them UTC, as
 * tzset(3) has it. Not of Intl, which loads 8 MB of names of places and months, and they stay.
 */
const findTimeZone = async (root: BoardRoot): Promise<string> => {
  const [, own] = ZONE.exec(process.env.TZ ?? '') ?? [];
  const [, linked] = /zoneinfo\/(.+)$/.exec((await root.link('etc/localtime')) ?? '') ?? [];
  return own ?? linked ?? (await root.text('etc/timezone')) ?? 'UTC';
};

const memoryMB = async (root: BoardRoot): Promise<number> => {
  const [, kilobytes] = /^MemTotal:\s*(\d+) kB$/m.exec((await root.text('proc/meminfo')) ?? '') ?? [];
  return Math.round(kilobytes === undefined ? totalmem() / MEGABYTE : Number(kilobytes) / KILOBYTES);
};

/**
 * Finds out what this board is, from its files; of a Hailo and of an NVIDIA card also from their tools. Takes a moment:
 * done once, when the agent starts. What cannot be found is absent.
 * @param stateDirectory whose disk counts
 */
export const detectFacts = async (stateDirectory: string, options: DetectOptions = {}): Promise<DeviceFacts> => {
  const { root = new BoardRoot(), own = await ownFacts(), sidecars = { proven: [], failed: [] } } = options;
  const software = new InstalledSoftware(root);
  const board = { root, software, runTool: options.runTool ?? runTool };
  const [model] = await root.strings('proc/device-tree/model');
  const compatible = await root.strings('proc/device-tree/compatible');
  const disk = await statfs(stateDirectory).catch(() => undefined);
  return deviceFactsSchema.parse({
    agentVersion: AGENT_VERSION,
    arch: own.arch,
    os: await osName(root),
    kernel: (await root.text('proc/sys/kernel/osrelease')) ?? release(),
    glibc: own.glibc,
    l4t: await findL4t(root, software),
    cuda: await findCuda(root, software),
    cpu: await findProcessor(root),
    memoryMB: await memoryMB(root),
    timeZone: await findTimeZone(root),
    diskFreeMB: disk === undefined ? undefined : Math.floor((disk.bavail * disk.bsize) / MEGABYTE),
    deviceTree: model === undefined ? undefined : { model, compatible },
    revision: await findRevision(root),
    accelerators: await findAccelerators(board, compatible),
    runtimes: [own.onnxRuntime, ...(await findRuntimes(root, software, sidecars))],
    ...failedSidecars(sidecars),
  });
};
