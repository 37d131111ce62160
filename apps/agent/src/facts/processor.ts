import { cpus } from 'node:os';
import type { DeviceFacts } from '@aviary/hardware';
import type { BoardRoot } from './board-root.ts';

/**
 * Names of ARM cores by implementer and part of their main id register, as arch/arm64/include/asm/cputype.h of Linux has
 * them. /proc/cpuinfo has the numbers only.
 */
const CORES: Readonly<Record<string, string>> = {
  '0x41 0xd03': 'Cortex-A53',
  '0x41 0xd04': 'Cortex-A35',
  '0x41 0xd05': 'Cortex-A55',
  '0x41 0xd07': 'Cortex-A57',
  '0x41 0xd08': 'Cortex-A72',
  '0x41 0xd09': 'Cortex-A73',
  '0x41 0xd0a': 'Cortex-A75',
  '0x41 0xd0b': 'Cortex-A76',
  '0x41 0xd0c': 'Neoverse-N1',
  '0x41 0xd0d': 'Cortex-A77',
  '0x41 0xd40': 'Neoverse-V1',
  '0x41 0xd41': 'Cortex-A78',
  '0x41 0xd42': 'Cortex-A78AE',
  '0x41 0xd49': 'Neoverse-N2',
  '0x4e 0x003': 'Denver 2',
  '0x4e 0x004': 'Carmel',
};

const valuesOf = (cpuinfo: string, key: string): string[] =>
  [...cpuinfo.matchAll(new RegExp(`^${key}\\s*:\\s*(.+)$`, 'gm'))].map(([, value = '']) => value.trim());

const modelsOf = (cpuinfo: string): string[] => {
  const parts = valuesOf(cpuinfo, 'CPU part');
  // What a 64-bit ARM calls its model says only that it is one.
  if (parts.length === 0) return valuesOf(cpuinfo, 'model name');
  const makers = valuesOf(cpuinfo, 'CPU implementer');
  return parts.map((part, index) => CORES[`${makers[index]} ${part}`] ?? `ARM ${makers[index]} ${part}`);
};

/** What computes on a board: of cores of several kinds all kinds, the fastest last as the kernel counts them. */
export const findProcessor = async (root: BoardRoot): Promise<DeviceFacts['cpu']> => {
  const cpuinfo = await root.text('proc/cpuinfo');
  // Where there is no procfs, as on a developer's Mac.
  if (cpuinfo === undefined) {
    const all = cpus();
    return { model: all[0]?.model.trim() || 'unknown', cores: all.length || 1 };
  }
  const models = [...new Set(modelsOf(cpuinfo))];
  return { model: models.join(' + ') || 'unknown', cores: valuesOf(cpuinfo, 'processor').length || 1 };
};

/** The revision code of a Raspberry Pi (https://www.raspberrypi.com/documentation/computers/raspberry-pi.html). */
export const findRevision = async (root: BoardRoot): Promise<string | undefined> =>
  valuesOf((await root.text('proc/cpuinfo')) ?? '', 'Revision').at(-1);
