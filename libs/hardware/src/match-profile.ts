import type { DeviceFacts } from './facts.ts';
import type { Profile } from './profile.ts';

export interface ProfileCandidate {
  readonly profile: Profile;
  readonly matched: boolean;
  /** In words, for what holds and what does not. */
  readonly reasons: readonly string[];
}

export interface ProfileMatch {
  /** Null: no profile fits these facts. */
  readonly profile: Profile | null;
  /** Why this one, in words; without a match, what each profile missed. */
  readonly reasons: readonly string[];
  readonly candidates: readonly ProfileCandidate[];
}

/** How much a profile asks for: an accelerator says more than a board, a board more than an architecture. */
export const specificity = ({ match }: Profile): number =>
  (match.accelerator === undefined ? 0 : 2) + (match.deviceTree === undefined ? 0 : 1);

/**
 * All that a compatible string says. NVIDIA names carrier and module together, and a module in another power mode by a
 * suffix: `nvidia,p3768-0000+p3767-0005-super` is a `nvidia,p3767-0005` on some carrier.
 */
const namesIn = (compatible: string): string[] => {
  const [, maker, module] = /^([^,]+),[^+]+\+(.+?)(?:-super)?$/.exec(compatible) ?? [];
  return module === undefined ? [compatible] : [compatible, `${maker},${module}`];
};

const consider = (facts: DeviceFacts, profile: Profile): ProfileCandidate => {
  const checks: { holds: boolean; words: string }[] = [];
  const { arch, deviceTree, accelerator } = profile.match;
  checks.push({ holds: arch.includes(facts.arch), words: `architecture ${facts.arch}, wanted ${arch.join(' or ')}` });
  if (deviceTree !== undefined) {
    const found = facts.deviceTree?.compatible.find((name) => namesIn(name).some((one) => deviceTree.includes(one)));
    const has = facts.deviceTree?.compatible.join(', ') || 'no device tree';
    checks.push({
      holds: found !== undefined,
      words: found === undefined ? `${has}, wanted ${deviceTree.join(' or ')}` : `device tree says ${found}`,
    });
  }
  if (accelerator !== undefined) {
    const found = facts.accelerators.find(
      ({ kind, id }) => kind === accelerator.kind && id !== undefined && accelerator.ids.includes(id),
    );
    checks.push({
      holds: found !== undefined,
      words:
        found === undefined
          ? `no ${accelerator.kind} with id ${accelerator.ids.join(' or ')}`
          : `has ${found.vendor} ${found.model} (${found.id})`,
    });
  }
  return {
    profile,
    matched: checks.every(({ holds }) => holds),
    reasons: checks.map(({ holds, words }) => `${holds ? 'fits' : 'does not fit'}: ${words}`),
  };
};

/** Finds the profile of a board: of those that fit, the one that asks for most; by id where two ask for as much. */
export const matchProfile = (facts: DeviceFacts, profiles: readonly Profile[]): ProfileMatch => {
  const candidates = profiles.map((profile) => consider(facts, profile));
  const [best] = candidates
    .filter(({ matched }) => matched)
    .sort((a, b) => specificity(b.profile) - specificity(a.profile) || (a.profile.id < b.profile.id ? -1 : 1));
  const reasons =
    best === undefined
      ? candidates.map(
          ({ profile, reasons: all }) => `${profile.id}: ${all.find((reason) => reason.startsWith('does not'))}`,
        )
      : best.reasons;
  return { profile: best?.profile ?? null, reasons, candidates };
};
