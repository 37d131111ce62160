import { createHash, randomBytes } from 'node:crypto';
import type { TrustChange } from '@aviary/protocol';
import {
  createFleetTarget,
  createHeader,
  createRoot,
  createTargets,
  DIRECTOR_TARGET,
  encodeMetadata,
  FILE_KEY_BYTES,
  type ReleaseStatement,
  type RootContent,
  type Signer,
  STOPPED_TARGET,
  signMetadata,
  targetsOf,
} from '@aviary/release';
import { newSigner } from '@aviary/release/testing';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { TestDatabase } from './test-database.ts';
import { openTestServices } from './test-services.ts';

export const DAY_MS = 86_400_000;
const DIGEST = 'd'.repeat(64);

/** Three people with a root key each, of whom two must sign. */
export const [ana, ben, cleo] = [newSigner(), newSigner(), newSigner()];
/** One of them counts, unless a test says otherwise. */
export const [publisher, second] = [newSigner(), newSigner()];

/** Keys of whoever signs a role, and how many of them must. */
export const keysOf = (threshold: number, ...signers: Signer[]): RootContent['roles']['root'] => ({
  threshold,
  keys: signers.map(({ publicKeyPem }, index) => ({ name: `holder ${index}`, publicKey: publicKeyPem })),
});

/** What is refused with this code. */
export const refusal = (code: string) => expect.objectContaining({ code });

/** What targets say; by default nothing of releases, signed by the publisher. */
interface Wanted {
  readonly releases?: readonly ReleaseStatement[];
  readonly stopped?: readonly string[];
  readonly signers?: readonly Signer[];
  readonly expires?: number;
  readonly directors?: readonly { name: string; publicKey: string }[];
}

/** An image repository that people found and change by what they sign: the real services, and a database that is empty for each test. */
export const trustRig = () => {
  let t: TestDatabase;
  let services: Services;
  let ageHeader: string;
  let blob: { length: number; sha256: string };
  beforeAll(async () => {
    t = await TestDatabase.start();
    services = await openTestServices(t);
    ageHeader = createHeader(randomBytes(FILE_KEY_BYTES), services.releases.recipient).toString('base64');
    const bytes = randomBytes(64);
    blob = { length: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    await services.blobs.put(
      blob.sha256,
      (async function* () {
        yield bytes;
      })(),
    );
  });
  afterEach(() => t.clear());
  afterAll(async () => {
    await services?.database.stop();
    await t?.stop();
  });

  const online = async (role: 'snapshot' | 'timestamp' | 'director') =>
    (await services.trust.state()).onlineKeys
      .filter((key) => key.role === role)
      .map(({ publicKey }) => ({ name: 'control plane', publicKey }));

  /** Root metadata of a version; `roles` are those that are not as usual. */
  const rootText = async (version: number, signers: readonly Signer[], roles: Partial<RootContent['roles']> = {}) => {
    const root = createRoot({
      version,
      expires: Date.now() + 30 * DAY_MS,
      roles: {
        root: keysOf(2, ana, ben, cleo),
        targets: keysOf(1, publisher),
        snapshot: { threshold: 1, keys: await online('snapshot') },
        timestamp: { threshold: 1, keys: await online('timestamp') },
        ...roles,
      },
    });
    signMetadata(root, signers);
    return encodeMetadata(root);
  };

  /** Targets metadata of a version, with what it needs beside it. */
  const targetsChange = async (version: number, wanted: Wanted = {}): Promise<TrustChange> => {
    const { releases = [], stopped = [], signers = [publisher], expires = Date.now() + 30 * DAY_MS } = wanted;
    const fleet = [
      createFleetTarget(DIRECTOR_TARGET, { keys: [...(wanted.directors ?? (await online('director')))] }),
      createFleetTarget(STOPPED_TARGET, { releases: [...stopped] }),
    ];
    const files = [...releases.flatMap((release) => targetsOf(release)), ...fleet.map(({ target }) => target)];
    const targets = createTargets({ version, expires }, files);
    signMetadata(targets, signers);
    return {
      targets: encodeMetadata(targets),
      files: fleet.map(({ bytes }) => bytes.toString('base64')),
      variants: releases.flatMap((release) => release.targets.map(({ path }) => ({ path, ageHeader }))),
    };
  };

  return {
    get t() {
      return t;
    },
    get services() {
      return services;
    },

    rootText,
    targetsChange,

    /** A release whose bytes are here. */
    release: (name: string, releaseCounter: number, change: Partial<ReleaseStatement> = {}): ReleaseStatement => ({
      release: name,
      releaseCounter,
      rollbackFloor: 0,
      minAgent: '0.1.0',
      issuedAt: 1,
      publisherKey: publisher.publicKeyPem,
      targets: [
        {
          path: `${name.replace('@', '/')}/fp32.age-payload`,
          variant: 'fp32',
          runtime: 'onnxruntime',
          format: 'onnx',
          precision: 'fp32',
          profiles: ['rpi5'],
          ...blob,
          plaintextSha256: DIGEST,
          plaintextLength: 64,
          omsSha256: DIGEST,
        },
      ],
      ...change,
    }),

    /** Founds the repository, signed by two of the three. */
    async found(): Promise<void> {
      const outcome = await services.trust.found({ root: await rootText(1, [ana, ben]), ...(await targetsChange(1)) });
      expect(outcome).toMatchObject({ published: true });
    },

    /** Of each role's metadata. */
    async versions(): Promise<Record<string, number>> {
      return Object.fromEntries((await services.trust.state()).roles.map(({ role, version }) => [role, version]));
    },
  };
};
