import type { DeviceFacts } from './facts.ts';
import type { Profile } from './profile.ts';

/** What matters of a variant for choosing it. */
export interface MatchableVariant {
  readonly id: string;
  readonly runtime: 'onnxruntime' | 'tensorrt' | 'tflite' | 'hailort';
  readonly format: 'onnx' | 'engine' | 'tflite' | 'hef';
  readonly precision: 'fp32' | 'fp16' | 'int8';
  readonly requires?:
    | {
        readonly minMemoryMB?: number | undefined;
        readonly arch?: readonly string[] | undefined;
        readonly computeCapability?: string | undefined;
        readonly tensorrt?: string | undefined;
        readonly l4t?: string | undefined;
        readonly hailort?: string | undefined;
        readonly glibc?: string | undefined;
      }
    | undefined;
}

export type RejectionCode =
  | 'format'
  | 'adapter'
  | 'precision'
  | 'runtime-missing'
  | 'arch'
  | 'memory'
  | 'compute-capability'
  | 'tensorrt'
  | 'l4t'
  | 'hailort'
  | 'driver-library'
  | 'glibc';

export interface ConsideredVariant<V extends MatchableVariant> {
  readonly variant: V;
  /** Empty: it can run here. */
  readonly rejections: readonly { readonly code: RejectionCode; readonly words: string }[];
  /** Of those that can run: 1 is the best. */
  readonly rank: number | null;
}

export interface VariantChoice<V extends MatchableVariant> {
  readonly chosen: V | null;
  /** Execution providers of ONNX Runtime to try, in this order. */
  readonly providers: readonly string[];
  readonly considered: readonly ConsideredVariant<V>[];
  /** The whole reasoning, a line each. */
  readonly words: readonly string[];
}

/** Whether `version` is what `wanted` says, as far as that is written: 10.3.0 is 10.3. */
const isVersion = (version: string | undefined, wanted: string): boolean =>
  version === wanted || version?.startsWith(`${wanted}.`) === true;

const numbers = (version: string): number[] => version.split('.').map((part) => Number.parseInt(part, 10) || 0);

const isAtLeast = (version: string | undefined, wanted: string): boolean => {
  if (version === undefined) return false;
  const [have, want] = [numbers(version), numbers(wanted)];
  for (let index = 0; index < Math.max(have.length, want.length); index += 1) {
    const difference = (have[index] ?? 0) - (want[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
};

const entryFor = (profile: Profile, variant: MatchableVariant) =>
  profile.runtimes.find((entry) => entry.runtime === variant.runtime && entry.formats.includes(variant.format));

const reject = (facts: DeviceFacts, profile: Profile, variant: MatchableVariant) => {
  const rejections: { code: RejectionCode; words: string }[] = [];
  const check = (holds: boolean, code: RejectionCode, words: string) => {
    if (!holds) rejections.push({ code, words });
  };
  const offered = entryFor(profile, variant);
  check(offered !== undefined, 'format', `${profile.id} does not run ${variant.format} with ${variant.runtime}`);
  if (offered !== undefined) {
    const { adapter, precisions } = offered;
    check(
      precisions.includes(variant.precision),
      'precision',
      `${variant.runtime} on ${profile.id} does ${precisions.join(', ')}, not ${variant.precision}`,
    );
    const has = adapter === undefined || facts.accelerators.some(({ kind }) => kind === adapter);
    check(has, 'adapter', `${variant.runtime} needs a ${adapter}, and none was found`);
  }
  const installed = facts.runtimes.find(({ name }) => name === variant.runtime);
  check(installed !== undefined, 'runtime-missing', `${variant.runtime} is not installed`);
  if (variant.runtime === 'hailort') {
    const npu = facts.accelerators.find(
      ({ kind, driver, library }) => kind === 'npu' && driver !== undefined && library !== undefined,
    );
    check(
      npu === undefined || npu.driver === npu.library,
      'driver-library',
      `driver ${npu?.driver} and library ${npu?.library} differ`,
    );
  }
  const { requires = {} } = variant;
  const capability = facts.accelerators.find(
    (accelerator) => accelerator.computeCapability !== undefined,
  )?.computeCapability;
  const version = (name: string) => facts.runtimes.find((runtime) => runtime.name === name)?.version;
  const differs = (what: string, have: string | undefined, want: string) =>
    `needs ${what} ${want}, has ${have ?? 'none'}`;
  if (requires.arch !== undefined)
    check(requires.arch.includes(facts.arch), 'arch', differs('architecture', facts.arch, requires.arch.join(' or ')));
  if (requires.minMemoryMB !== undefined)
    check(
      facts.memoryMB >= requires.minMemoryMB,
      'memory',
      differs('MB of memory', String(facts.memoryMB), String(requires.minMemoryMB)),
    );
  if (requires.computeCapability !== undefined)
    check(
      capability === requires.computeCapability,
      'compute-capability',
      differs('compute capability', capability, requires.computeCapability),
    );
  if (requires.tensorrt !== undefined)
    check(
      isVersion(version('tensorrt'), requires.tensorrt),
      'tensorrt',
      differs('TensorRT', version('tensorrt'), requires.tensorrt),
    );
  if (requires.l4t !== undefined)
    check(isVersion(facts.l4t, requires.l4t), 'l4t', differs('Jetson Linux', facts.l4t, requires.l4t));
  if (requires.hailort !== undefined)
    check(
      isVersion(version('hailort'), requires.hailort),
      'hailort',
      differs('HailoRT', version('hailort'), requires.hailort),
    );
  if (requires.glibc !== undefined)
    check(isAtLeast(facts.glibc, requires.glibc), 'glibc', differs('glibc', facts.glibc, requires.glibc));
  return rejections;
};

/** Smaller is better: the profile's order of runtimes, then its order of precisions. */
const preference = (profile: Profile, variant: MatchableVariant): readonly [number, number] => {
  const entry = entryFor(profile, variant);
  return entry === undefined
    ? [profile.runtimes.length, 0]
    : [profile.runtimes.indexOf(entry), entry.precisions.indexOf(variant.precision)];
};

/**
 * Chooses the variant of a release for a board: whatever cannot run is out, each with its reasons; the rest is ranked
 * by the profile's runtimes, then its precisions, then what was measured, then by id.
 * @param measuredP95Ms of variants that have run on this very device, in milliseconds
 */
export const chooseVariant = <V extends MatchableVariant>(
  facts: DeviceFacts,
  profile: Profile,
  variants: readonly V[],
  measuredP95Ms: Readonly<Record<string, number>> = {},
): VariantChoice<V> => {
  const judged = variants.map((variant) => ({ variant, rejections: reject(facts, profile, variant) }));
  const times = new Map(Object.entries(measuredP95Ms));
  const measured = ({ id }: V) => times.get(id) ?? Number.POSITIVE_INFINITY;
  const ranked = judged
    .filter(({ rejections }) => rejections.length === 0)
    .map(({ variant }) => variant)
    .sort((a, b) => {
      const [runtimeA, precisionA] = preference(profile, a);
      const [runtimeB, precisionB] = preference(profile, b);
      if (runtimeA !== runtimeB) return runtimeA - runtimeB;
      if (precisionA !== precisionB) return precisionA - precisionB;
      if (measured(a) !== measured(b)) return measured(a) - measured(b);
      return a.id < b.id ? -1 : 1;
    });
  const chosen = ranked[0] ?? null;
  const considered = judged.map(({ variant, rejections }) => {
    const index = ranked.indexOf(variant);
    return { variant, rejections, rank: index < 0 ? null : index + 1 };
  });
  const words = considered.map(({ variant, rejections, rank }) =>
    rank === null
      ? `${variant.id}: cannot run: ${rejections.map((rejection) => rejection.words).join('; ')}`
      : `${variant.id}: ${rank === 1 ? 'chosen' : `number ${rank}`} (${variant.runtime}, ${variant.format}, ${variant.precision})`,
  );
  const providers = (chosen === null ? undefined : entryFor(profile, chosen))?.providers ?? ['cpu'];
  return { chosen, providers, considered, words };
};
