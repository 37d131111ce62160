import {
  type ConsideredVariant,
  chooseVariant,
  type DeviceFacts,
  type MatchableVariant,
  type Profile,
} from '@aviary/hardware';
import type { ReleaseTarget } from '@aviary/release';
import type { StoredRelease } from './releases.service.ts';

/** Which of a release's variants a device gets, and why. */
export interface ChosenVariant {
  /** Null: it can run none of them. */
  readonly target: ReleaseTarget | null;
  readonly refusal: 'no-profile' | 'no-variant' | null;
  /** The whole reasoning, a line each. */
  readonly words: readonly string[];
  /** Each variant that was made for boards of its profile. */
  readonly considered: readonly ConsideredVariant<MatchableVariant>[];
}

/** Brings devices and releases together: the one place where a device's variant is chosen. */
export class VariantChooser {
  constructor(private readonly profiles: readonly Profile[]) {}

  /** @param device its profile null where none fits */
  choose(
    device: { readonly facts: DeviceFacts; readonly profile: string | null },
    { statement }: Pick<StoredRelease, 'statement'>,
  ): ChosenVariant {
    const profile = this.profiles.find(({ id }) => id === device.profile);
    if (profile === undefined) {
      return { target: null, refusal: 'no-profile', words: ['no profile fits this device'], considered: [] };
    }
    const made = statement.targets.filter(({ profiles }) => profiles.includes(profile.id));
    if (made.length === 0) {
      const words = [`the publisher made no variant for ${profile.id}`];
      return { target: null, refusal: 'no-variant', words, considered: [] };
    }
    const variants = made.map((target) => ({ ...target, id: target.variant }));
    const { chosen, words, considered } = chooseVariant(device.facts, profile, variants);
    const target = statement.targets.find(({ variant }) => variant === chosen?.id) ?? null;
    return { target, refusal: target === null ? 'no-variant' : null, words, considered };
  }
}
