import type { DeviceFacts } from './facts.ts';
import type { Profile } from './profile.ts';
import { entryFor, type MatchableVariant, type Rejection, rejectionsOf } from './variant-filter.ts';

export interface ConsideredVariant<V extends MatchableVariant> {
  readonly variant: V;
  /** Empty: it can run here. */
  readonly rejections: readonly Rejection[];
  /** Of those that can run: 1 is the best. */
  readonly rank: number | null;
  /** Why the one before it is better, in words; null for the best, and for those that cannot run. */
  readonly behind: string | null;
}

export interface VariantChoice<V extends MatchableVariant> {
  readonly chosen: V | null;
  readonly considered: readonly ConsideredVariant<V>[];
  /** The whole reasoning, a line each. */
  readonly words: readonly string[];
}

/** One question of the order: smaller is better, and the next one is asked where two are equal. */
interface Criterion {
  readonly of: (variant: MatchableVariant) => number | string;
  /** Why one that has less is better. */
  readonly words: (better: MatchableVariant, worse: MatchableVariant) => string;
}

/** How closely a variant says where it runs: on this chip, on GPUs of its kind, or anywhere. */
const breadth = ({ requires }: MatchableVariant): number => {
  if (requires?.soc !== undefined) return 0;
  return requires?.computeCapability !== undefined ? 1 : 2;
};

const criteriaOf = (profile: Profile): readonly Criterion[] => [
  {
    of: (variant) => {
      const entry = entryFor(profile, variant);
      return entry === undefined ? profile.runtimes.length : profile.runtimes.indexOf(entry);
    },
    words: (better, worse) => `${profile.id} prefers ${better.runtime} to ${worse.runtime}`,
  },
  {
    of: (variant) => entryFor(profile, variant)?.precisions.indexOf(variant.precision) ?? 0,
    words: (better, worse) => `${profile.id} prefers ${better.precision} to ${worse.precision}`,
  },
  {
    of: breadth,
    words: (better) => `${better.id} is made for just this ${breadth(better) === 0 ? 'chip' : 'kind of GPU'}`,
  },
  { of: ({ id }) => id, words: () => 'its id comes later' },
];

/** @returns the first question on which they differ; undefined when none does */
const difference = (criteria: readonly Criterion[], a: MatchableVariant, b: MatchableVariant) =>
  criteria.find(({ of }) => of(a) !== of(b));

/**
 * Chooses the variant of a release for a board: whatever cannot run is out, each with its reasons; the rest is ranked
 * by the profile's runtimes, then its precisions, then one for this chip before one for many, then by id. How fast they
 * are is not compared: a device runs one variant of a release, and nothing measures the others there.
 */
export const chooseVariant = <V extends MatchableVariant>(
  facts: DeviceFacts,
  profile: Profile,
  variants: readonly V[],
): VariantChoice<V> => {
  const criteria = criteriaOf(profile);
  const judged = variants.map((variant) => ({ variant, rejections: rejectionsOf(facts, profile, variant) }));
  const ranked = judged
    .filter(({ rejections }) => rejections.length === 0)
    .map(({ variant }) => variant)
    .sort((a, b) => {
      const by = difference(criteria, a, b);
      return by === undefined ? 0 : by.of(a) < by.of(b) ? -1 : 1;
    });
  const considered = judged.map(({ variant, rejections }) => {
    const index = ranked.indexOf(variant);
    const before = ranked[index - 1];
    const by = index > 0 && before !== undefined ? difference(criteria, before, variant) : undefined;
    const behind = by === undefined || before === undefined ? null : by.words(before, variant);
    return { variant, rejections, rank: index < 0 ? null : index + 1, behind };
  });
  const words = considered.map(({ variant, rejections, rank, behind }) => {
    if (rank === null) return `${variant.id}: cannot run: ${rejections.map((rejection) => rejection.words).join('; ')}`;
    const kind = `(${variant.runtime}, ${variant.format}, ${variant.precision})`;
    return `${variant.id}: ${rank === 1 ? `chosen ${kind}` : `number ${rank} ${kind}: ${behind}`}`;
  });
  const [chosen = null] = ranked;
  return { chosen, considered, words };
};
