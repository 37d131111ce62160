import { describe, expect, it } from 'vitest';
import { newSigner, RepositorySimulator } from '../testing/repository-simulator.ts';
import {
  contentOfRoot,
  createRoot,
  type RoleKeys,
  type RootContent,
  signaturesOn,
  verifyNextRoot,
} from './root-metadata.ts';
import { decodeMetadata, encodeMetadata, saysTheSame, signMetadata } from './signed-metadata.ts';

const [a, b, c, online] = [newSigner(), newSigner(), newSigner(), newSigner()];
const named = (...signers: { publicKeyPem: string }[]): RoleKeys => ({
  threshold: 1,
  keys: signers.map(({ publicKeyPem }, index) => ({ name: `holder ${index}`, publicKey: publicKeyPem })),
});
const content: RootContent = {
  version: 1,
  expires: Date.UTC(2030, 0, 1),
  roles: {
    root: { ...named(a, b, c), threshold: 2 },
    targets: named(a),
    snapshot: named(online),
    timestamp: named(online),
  },
};

describe('root metadata', () => {
  it('says again what it was made of, after it was written and read', () => {
    const root = decodeMetadata('root', encodeMetadata(createRoot(content)));
    expect(contentOfRoot(root)).toEqual(content);
  });

  it.each<[string, Partial<RootContent['roles']>, RegExp]>([
    ['a role without keys', { targets: { threshold: 1, keys: [] } }, /threshold of 1 to 0/],
    [
      'a threshold that cannot be reached',
      { root: { ...named(a), threshold: 2 } },
      /threshold of 1 to 1 for role root/,
    ],
    ['a threshold of none', { root: { ...named(a), threshold: 0 } }, /got 0/],
    ['one key twice', { targets: named(a, a) }, /once/],
    ['an online key that signs targets', { targets: named(online) }, /online/],
    ['a holder without a name', { targets: { threshold: 1, keys: [{ name: '', publicKey: a.publicKeyPem }] } }, /name/],
  ])('is not made with %s', (_, roles, words) => {
    expect(() => createRoot({ ...content, roles: { ...content.roles, ...roles } })).toThrow(words);
  });

  it('gathers signatures of several holders, each once, and counts no others', () => {
    const root = createRoot(content);
    const stranger = newSigner();
    for (const [signer, count] of [
      [a, 1],
      [a, 1],
      [stranger, 1],
      [b, 2],
    ] as const) {
      const copy = decodeMetadata('root', encodeMetadata(root));
      signMetadata(root, [signer]);
      expect(saysTheSame(copy, root)).toBe(true);
      expect(signaturesOn(root, 'root', root)).toMatchObject({
        threshold: 2,
        keyIds: expect.objectContaining({ length: count }),
      });
    }
  });

  it('follows only the version before, signed by both', () => {
    const first = createRoot(content);
    signMetadata(first, [a, b]);
    const next = (version: number, ...signers: (typeof a)[]) => {
      const root = createRoot({ ...content, version, roles: { ...content.roles, root: named(c) } });
      signMetadata(root, signers);
      return root;
    };
    expect(() => verifyNextRoot(first, next(2, a, b, c))).not.toThrow();
    expect(() => verifyNextRoot(first, next(2, a, c))).not.toThrow();
    expect(() => verifyNextRoot(first, next(2, a, b))).toThrow(/signed by 1 of its keys in root version 2/);
    expect(() => verifyNextRoot(first, next(2, c))).toThrow(/signed by 2 of its keys in root version 1/);
    expect(() => verifyNextRoot(first, next(3, a, b, c))).toThrow(/expected root version 2, got 3/);
  });

  it('is refused when it is too long, no JSON, or of another role', () => {
    const { pinnedRoot } = new RepositorySimulator();
    const malformed = expect.objectContaining({ code: 'metadata-malformed' });
    expect(() => decodeMetadata('root', pinnedRoot.padEnd(600_000))).toThrow(malformed);
    expect(() => decodeMetadata('root', '{')).toThrow(malformed);
    expect(() => decodeMetadata('targets', pinnedRoot)).toThrow(malformed);
  });
});
