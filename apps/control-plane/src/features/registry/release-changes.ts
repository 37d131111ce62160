import { type ReleaseStatement, statementsIn, TufError } from '@aviary/release';

type Signed = Parameters<typeof statementsIn>[0];

/** How the releases of new targets metadata differ from those of the metadata before. */
export interface ReleaseChanges {
  readonly added: readonly ReleaseStatement[];
  /** Names of releases that are gone: revoked. */
  readonly removed: readonly string[];
  /** Floors that were raised. */
  readonly raised: readonly Pick<ReleaseStatement, 'release' | 'rollbackFloor'>[];
}

/**
 * A release never changes once it is published, but for its rollback floor, which may rise.
 * @throws TufError `target-invalid`
 */
export const compareReleases = (before: Signed | undefined, after: Signed): ReleaseChanges => {
  const [old, now] = [
    before === undefined ? new Map<string, ReleaseStatement>() : statementsIn(before),
    statementsIn(after),
  ];
  const raised: ReleaseStatement[] = [];
  for (const [name, statement] of now) {
    const known = old.get(name);
    if (known === undefined || sameButFloor(known, statement)) {
      if (known === undefined || known.rollbackFloor === statement.rollbackFloor) continue;
      if (statement.rollbackFloor < known.rollbackFloor) {
        throw new TufError(
          'target-invalid',
          `the rollback floor of ${name} is ${known.rollbackFloor} and may not fall to ${statement.rollbackFloor}`,
        );
      }
      raised.push(statement);
    } else {
      throw new TufError(
        'target-invalid',
        `${name} was published before, and a release never changes; raise the version in model.yaml`,
      );
    }
  }
  return {
    added: [...now.values()].filter(({ release }) => !old.has(release)),
    removed: [...old.keys()].filter((name) => !now.has(name)),
    raised,
  };
};

const sameButFloor = (a: ReleaseStatement, b: ReleaseStatement): boolean =>
  JSON.stringify({ ...a, rollbackFloor: 0 }) === JSON.stringify({ ...b, rollbackFloor: 0 });
