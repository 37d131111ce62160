import type { DeviceFacts } from './facts.ts';
import { newestOpset } from './onnx-opset.ts';
import type { Profile, ProfileRuntime } from './profile.ts';
import { isAtLeast, isVersion } from './version.ts';

/** What matters of a variant for choosing it. */
export interface MatchableVariant {
  readonly id: string;
  readonly runtime: 'onnxruntime' | 'tensorrt' | 'tflite' | 'hailort';
  readonly format: 'onnx' | 'engine' | 'tflite' | 'hef';
  readonly precision: 'fp32' | 'fp16' | 'int8';
  /** Of an ONNX model: the version of ONNX's operators that it is written in. */
  readonly opset?: number | undefined;
  readonly requires?:
    | {
        readonly minMemoryMB?: number | undefined;
        readonly arch?: readonly string[] | undefined;
        readonly soc?: readonly string[] | undefined;
        readonly computeCapability?: string | undefined;
        readonly tensorrt?: string | undefined;
        readonly l4t?: string | undefined;
        readonly hailort?: string | undefined;
        readonly glibc?: string | undefined;
      }
    | undefined;
}

/** Why a variant cannot run on a board, in the order in which it is looked at. */
export const REJECTION_CODES = [
  'format',
  'precision',
  'adapter',
  'runtime-missing',
  'runtime-unusable',
  'driver-library',
  'opset',
  'arch',
  'soc',
  'memory',
  'compute-capability',
  'tensorrt',
  'l4t',
  'hailort',
  'glibc',
] as const;

export type RejectionCode = (typeof REJECTION_CODES)[number];

export interface Rejection {
  readonly code: RejectionCode;
  readonly words: string;
}

/** Runs what is compiled for one accelerator, through a library that has to fit it. */
interface Library {
  readonly kind: 'npu' | 'tpu';
  readonly name: string;
  /** HailoRT refuses a driver of another version than its own; the Edge TPU's runtime has a version of its own. */
  readonly equalsDriver: boolean;
}

const LIBRARIES: Partial<Record<MatchableVariant['runtime'], Library>> = {
  hailort: { kind: 'npu', name: 'HailoRT', equalsDriver: true },
  tflite: { kind: 'tpu', name: 'libedgetpu', equalsDriver: false },
};

/** The entry of a profile that runs a variant. */
export const entryFor = (
  profile: Profile,
  variant: Pick<MatchableVariant, 'runtime' | 'format'>,
): ProfileRuntime | undefined =>
  profile.runtimes.find((entry) => entry.runtime === variant.runtime && entry.formats.includes(variant.format));

/**
 * Chips of a board by the names that releases use: those of the device tree without their maker (`bcm2712`, `tegra234`),
 * and what its accelerators are compiled for (`hailo8l`).
 */
export const chipsOf = ({ deviceTree, accelerators }: Pick<DeviceFacts, 'deviceTree' | 'accelerators'>): string[] => [
  ...(deviceTree?.compatible ?? []).map((name) => name.slice(name.indexOf(',') + 1)),
  ...accelerators.flatMap(({ architecture }) => (architecture === undefined ? [] : [architecture])),
];

const libraryProblem = (facts: DeviceFacts, variant: MatchableVariant): string | undefined => {
  const library = LIBRARIES[variant.runtime];
  const accelerator = facts.accelerators.find(({ kind }) => kind === library?.kind);
  if (library === undefined || accelerator === undefined) return undefined;
  const { driver, library: version } = accelerator;
  if (version === undefined) return `${library.name} is not installed, or nothing tells its version`;
  if (!library.equalsDriver || driver === version) return undefined;
  return driver === undefined
    ? `its driver is not loaded, or tells no version; ${library.name} ${version} needs the same`
    : `driver ${driver} and ${library.name} ${version} differ`;
};

/** What the sidecar for a runtime says of why it does not run. */
const problemOf = ({ failedSidecars = [] }: DeviceFacts, runtime: MatchableVariant['runtime']): string => {
  const failed = failedSidecars.find((one) => one.runtime === runtime);
  return failed === undefined ? '' : `: ${failed.name} says "${failed.problem}"`;
};

/** Whether what its runtime loads has to be built on the board first. */
const isPrepared = ({ runtime, format }: MatchableVariant): boolean => runtime === 'tensorrt' && format === 'onnx';

/** All that keeps a variant from running on a board; none: it can run. */
export const rejectionsOf = (facts: DeviceFacts, profile: Profile, variant: MatchableVariant): Rejection[] => {
  const rejections: Rejection[] = [];
  const check = (holds: boolean, code: RejectionCode, words: string) => {
    if (!holds) rejections.push({ code, words });
  };
  const needs = (what: string, want: string | number, have: string | number | undefined) =>
    `needs ${what} ${want}, has ${have ?? 'none'}`;
  const version = (name: MatchableVariant['runtime']) =>
    facts.runtimes.find((runtime) => runtime.name === name)?.version;

  const offered = entryFor(profile, variant);
  check(offered !== undefined, 'format', `${profile.id} does not run ${variant.format} with ${variant.runtime}`);
  if (offered !== undefined) {
    const { adapter, precisions } = offered;
    const does = `${variant.runtime} on ${profile.id} does ${precisions.join(', ')}, not ${variant.precision}`;
    check(precisions.includes(variant.precision), 'precision', does);
    const has = adapter === undefined || facts.accelerators.some(({ kind }) => kind === adapter);
    check(has, 'adapter', `${variant.runtime} needs a ${adapter}, and none was found`);
  }
  const installed = facts.runtimes.find(({ name }) => name === variant.runtime);
  const why = problemOf(facts, variant.runtime);
  check(installed !== undefined, 'runtime-missing', `${variant.runtime} is not installed${why}`);
  const unusable = `${variant.runtime} is installed, and the agent there cannot run models with it${why}`;
  check(installed?.usable !== false, 'runtime-unusable', unusable);
  if (isPrepared(variant) && installed !== undefined && installed.usable !== false) {
    const prepares = installed.prepares?.includes(variant.format) ?? false;
    const words = `the agent there does not build what ${variant.runtime} runs from ${variant.format}`;
    check(prepares, 'runtime-unusable', words);
  }
  const problem = libraryProblem(facts, variant);
  if (problem !== undefined) check(false, 'driver-library', problem);
  if (variant.runtime === 'onnxruntime' && variant.opset !== undefined) {
    const newest = newestOpset(version('onnxruntime') ?? '');
    check(newest === undefined || variant.opset <= newest, 'opset', needs('operator set', variant.opset, newest));
  }

  const { arch, soc, minMemoryMB, computeCapability, tensorrt, l4t, hailort, glibc } = variant.requires ?? {};
  if (arch !== undefined)
    check(arch.includes(facts.arch), 'arch', needs('architecture', arch.join(' or '), facts.arch));
  if (soc !== undefined) {
    const chips = chipsOf(facts);
    const has = soc.some((name) => chips.includes(name));
    check(has, 'soc', needs('chip', soc.join(' or '), chips.join(', ') || undefined));
  }
  if (minMemoryMB !== undefined)
    check(facts.memoryMB >= minMemoryMB, 'memory', needs('MB of memory', minMemoryMB, facts.memoryMB));
  if (computeCapability !== undefined) {
    const all = facts.accelerators.flatMap(({ computeCapability: one }) => (one === undefined ? [] : [one]));
    const words = needs('compute capability', computeCapability, all.join(', ') || undefined);
    check(all.includes(computeCapability), 'compute-capability', words);
  }
  if (tensorrt !== undefined)
    check(isVersion(version('tensorrt'), tensorrt), 'tensorrt', needs('TensorRT', tensorrt, version('tensorrt')));
  if (l4t !== undefined) check(isVersion(facts.l4t, l4t), 'l4t', needs('Jetson Linux', l4t, facts.l4t));
  if (hailort !== undefined)
    check(isVersion(version('hailort'), hailort), 'hailort', needs('HailoRT', hailort, version('hailort')));
  if (glibc !== undefined) check(isAtLeast(facts.glibc, glibc), 'glibc', needs('glibc', glibc, facts.glibc));
  return rejections;
};
