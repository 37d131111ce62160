import { TargetFile } from '@tufjs/models';
import { describe, expect, it } from 'vitest';
import type { ReleaseStatement } from '../documents/release-statement.ts';
import { METER_READER_TARGET as target } from '../testing/meter-reader.ts';
import { newSigner, RepositorySimulator } from '../testing/repository-simulator.ts';
import { statementsIn, targetsOf, variantTargetOf } from './release-targets.ts';
import { decodeMetadata } from './signed-metadata.ts';

const statement: ReleaseStatement = {
  release: 'meter-reader@1.1.0',
  releaseCounter: 2,
  rollbackFloor: 1,
  minAgent: '0.1.0',
  issuedAt: 1_000,
  publisherKey: newSigner().publicKeyPem,
  targets: [
    target,
    { ...target, path: 'meter-reader/1.1.0/onnx-int8.age-payload', variant: 'onnx-int8', precision: 'int8' },
  ],
};

const asTargets = (files: readonly TargetFile[]) => ({
  targets: Object.fromEntries(files.map((file) => [file.path, file])),
});

describe('a release in the image repository', () => {
  it('comes back from signed targets as it was stated', () => {
    const published = new RepositorySimulator({ releases: [statement] }).file('1.targets.json');
    const { signed } = decodeMetadata('targets', published);
    expect([...statementsIn(signed).values()]).toEqual([statement]);
  });

  it('is no release where a target says nothing of one', () => {
    const file = new TargetFile({ path: 'director.json', length: 1, hashes: { sha256: 'd'.repeat(64) } });
    expect(variantTargetOf(file)).toBeUndefined();
    expect(statementsIn(asTargets([file])).size).toBe(0);
  });

  it.each<[string, Partial<ReleaseStatement>]>([
    ['a floor above its own counter', { rollbackFloor: 3 }],
    ['no target', { targets: [] }],
    ['one path twice', { targets: [target, { ...target, variant: 'other' }] }],
    ['one variant twice', { targets: [target, { ...target, path: 'other' }] }],
    ['a path that climbs', { targets: [{ ...target, path: '../../etc/passwd' }] }],
    ['a variant for no profile', { targets: [{ ...target, profiles: [] }] }],
    ['no release name', { release: 'meter-reader' }],
  ])('is not made with %s', (_, change) => {
    expect(() => targetsOf({ ...statement, ...change })).toThrow();
  });

  it('is refused when its variants say different things of it, or one says less than a variant must', () => {
    const [one, other] = targetsOf(statement);
    if (one === undefined || other === undefined) throw new Error('two variants');
    const changed = (custom: object) =>
      TargetFile.fromJSON(other.path, { ...other.toJSON(), custom: { ...other.custom, ...custom } as never });
    expect(() => statementsIn(asTargets([one, changed({ rollbackFloor: 2 })]))).toThrow(/different things/);
    expect(() => statementsIn(asTargets([one, changed({ plaintextSha256: 'short' })]))).toThrow(/plaintextSha256/);
    expect(() => statementsIn(asTargets([one, changed({ variant: 'onnx-fp32' })]))).toThrow(/each variant once/);
  });
});
