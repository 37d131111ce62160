import { createHash, randomBytes } from 'node:crypto';
import type { TrustChange } from '@aviary/protocol';
import {
  contentOfRoot,
  createFleetTarget,
  createHeader,
  createRoot,
  createTargets,
  DIRECTOR_TARGET,
  decodeMetadata,
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
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { insertDevice } from '../support/rows.ts';
import { TestDatabase } from '../support/test-database.ts';
import { openTestServices } from '../support/test-services.ts';

const DAY_MS = 86_400_000;
const DIGEST = 'd'.repeat(64);

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
  await services.database.stop();
  await t.stop();
});

// Three people with a root key each, of whom two must sign; one publisher, unless a test says otherwise.
let [ana, ben, cleo, publisher, second]: Signer[] = [];
beforeEach(() => {
  [ana, ben, cleo, publisher, second] = Array.from({ length: 5 }, newSigner);
});

const keysOf = (threshold: number, ...signers: (Signer | undefined)[]): RootContent['roles']['root'] => ({
  threshold,
  keys: signers.flatMap((signer, index) =>
    signer === undefined ? [] : [{ name: `holder ${index}`, publicKey: signer.publicKeyPem }],
  ),
});

const online = async (role: 'snapshot' | 'timestamp' | 'director') =>
  (await services.trust.state()).onlineKeys
    .filter((key) => key.role === role)
    .map(({ publicKey }) => ({ name: 'control plane', publicKey }));

const rootText = async (
  version: number,
  signers: readonly (Signer | undefined)[],
  roles: Partial<RootContent['roles']> = {},
) => {
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
  signMetadata(
    root,
    signers.filter((signer) => signer !== undefined),
  );
  return encodeMetadata(root);
};

interface Wanted {
  readonly releases?: readonly ReleaseStatement[];
  readonly stopped?: readonly string[];
  readonly signers?: readonly (Signer | undefined)[];
  readonly expires?: number;
  readonly directors?: readonly { name: string; publicKey: string }[];
}

/** Targets that hand some paths to somebody whom the root does not name. */
const delegating = async (version: number): Promise<TrustChange> => {
  const change = await targetsChange(version);
  const { signed } = JSON.parse(change.targets ?? '');
  const keyids = [ben?.keyId];
  const keyval = { public: ben?.publicKeyPem };
  signed.delegations = {
    keys: { [keyids[0] ?? '']: { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', keyval } },
    roles: [{ name: 'team', paths: ['grey/*/*'], keyids, threshold: 1, terminating: false }],
  };
  const metadata = decodeMetadata('targets', JSON.stringify({ signed, signatures: [] }));
  signMetadata(metadata, publisher === undefined ? [] : [publisher]);
  return { ...change, targets: encodeMetadata(metadata) };
};

const targetsChange = async (version: number, wanted: Wanted = {}): Promise<TrustChange> => {
  const { releases = [], stopped = [], signers = [publisher], expires = Date.now() + 30 * DAY_MS } = wanted;
  const fleet = [
    createFleetTarget(DIRECTOR_TARGET, { keys: [...(wanted.directors ?? (await online('director')))] }),
    createFleetTarget(STOPPED_TARGET, { releases: [...stopped] }),
  ];
  const files = [...releases.flatMap((release) => targetsOf(release)), ...fleet.map(({ target }) => target)];
  const targets = createTargets({ version, expires }, files);
  signMetadata(
    targets,
    signers.filter((signer) => signer !== undefined),
  );
  return {
    targets: encodeMetadata(targets),
    files: fleet.map(({ bytes }) => bytes.toString('base64')),
    variants: releases.flatMap((release) => release.targets.map(({ path }) => ({ path, ageHeader }))),
  };
};

const release = (name: string, releaseCounter: number, change: Partial<ReleaseStatement> = {}): ReleaseStatement => ({
  release: name,
  releaseCounter,
  rollbackFloor: 0,
  minAgent: '0.1.0',
  issuedAt: 1,
  publisherKey: publisher?.publicKeyPem ?? '',
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
});

/** Founds the repository, signed by two of the three. */
const found = async (): Promise<void> => {
  const outcome = await services.trust.found({ root: await rootText(1, [ana, ben]), ...(await targetsChange(1)) });
  expect(outcome).toMatchObject({ published: true });
};

const versions = async () =>
  Object.fromEntries((await services.trust.state()).roles.map(({ role, version }) => [role, version]));
const refusal = (code: string) => expect.objectContaining({ code });

describe('founding the image repository', () => {
  it('waits for as many root keys as the root asks for, and counts nothing before', async () => {
    const change = await targetsChange(1);
    const first = await services.trust.found({ root: await rootText(1, [ana]), ...change });
    expect(first).toMatchObject({ published: false, missing: { root: 1, targets: 0 } });
    await expect(services.trust.rootForDevices()).rejects.toThrow('has not been founded yet');
    const { root } = await services.trust.proposal();
    const signed = decodeMetadata('root', root ?? '');
    signMetadata(signed, [cleo as Signer]);
    expect(await services.trust.found({ root: encodeMetadata(signed) })).toMatchObject({ published: true });
    expect(await versions()).toEqual({ root: 1, targets: 1, snapshot: 1, timestamp: 1 });
    expect(contentOfRoot(decodeMetadata('root', await services.trust.rootForDevices())).roles.root.threshold).toBe(2);
  });

  it('is done once', async () => {
    await found();
    await expect(found()).rejects.toEqual(refusal('trust-founded'));
  });

  it('is refused where the control plane could sign nothing', async () => {
    const stranger = keysOf(1, newSigner());
    const root = await rootText(1, [ana, ben], { timestamp: stranger });
    await expect(services.trust.found({ root, ...(await targetsChange(1)) })).rejects.toEqual(
      refusal('online-key-unlisted'),
    );
    const directors = stranger.keys.map((key) => ({ ...key }));
    const change = await targetsChange(1, { directors });
    await expect(services.trust.found({ root: await rootText(1, [ana, ben]), ...change })).rejects.toEqual(
      refusal('director-key-unlisted'),
    );
    expect(await t.query('select * from trust_metadata')).toEqual([]);
  });
});

describe('publishing', () => {
  beforeEach(found);

  it('makes what is signed known, and that it is the newest', async () => {
    const change = await targetsChange(2, { releases: [release('grey@1.0.0', 1)] });
    expect(await services.trust.change(change)).toMatchObject({ published: true, releases: ['grey@1.0.0'] });
    expect(await versions()).toEqual({ root: 1, targets: 2, snapshot: 2, timestamp: 2 });
    expect((await services.releases.show('grey@1.0.0')).publisher).toBe('holder 0');
    expect(await services.trust.metadataFile('2.targets.json')).toBe(change.targets);
    await expect(services.trust.metadataFile('3.targets.json')).rejects.toEqual(refusal('metadata-unknown'));
  });

  it.each<[string, () => Promise<TrustChange>, string]>([
    ['a version that was there', () => targetsChange(1), 'metadata-outdated'],
    ['a version too far', () => targetsChange(3), 'metadata-outdated'],
    ['nothing', async () => ({}), 'trust-incomplete'],
    ['what nobody who may has signed', () => targetsChange(2, { signers: [newSigner()] }), 'metadata-refused'],
    ['what has expired', () => targetsChange(2, { expires: Date.now() - 1000 }), 'metadata-expired'],
    ['what is no metadata', async () => ({ targets: '{}' }), 'metadata-malformed'],
    [
      'a release signed with a key that does not count',
      async () =>
        targetsChange(2, { releases: [release('grey@1.0.0', 1, { publisherKey: newSigner().publicKeyPem })] }),
      'publisher-unknown',
    ],
    [
      'a release whose blob is not here',
      async () => {
        const [target] = release('grey@1.0.0', 1).targets;
        if (target === undefined) throw new Error('one target');
        return targetsChange(2, {
          releases: [release('grey@1.0.0', 1, { targets: [{ ...target, sha256: 'e'.repeat(64) }] })],
        });
      },
      'blob-missing',
    ],
    [
      'a release without its file key',
      async () => ({ ...(await targetsChange(2, { releases: [release('grey@1.0.0', 1)] })), variants: [] }),
      'file-key-missing',
    ],
    ['targets that delegate to another role', () => delegating(2), 'target-invalid'],
  ])('refuses %s, and changes nothing', async (_, change, code) => {
    await expect(change().then((one) => services.trust.change(one))).rejects.toEqual(refusal(code));
    expect(await versions()).toEqual({ root: 1, targets: 1, snapshot: 1, timestamp: 1 });
    expect(await t.query('select * from trust_proposal')).toEqual([]);
  });

  it('never changes a release, nor lowers its floor, but raises it', async () => {
    const one = release('grey@1.0.0', 4, { rollbackFloor: 1 });
    await services.trust.change(await targetsChange(2, { releases: [one] }));
    for (const change of [
      { ...one, minAgent: '0.2.0' },
      { ...one, rollbackFloor: 0 },
    ]) {
      await expect(
        targetsChange(3, { releases: [change] }).then((next) => services.trust.change(next)),
      ).rejects.toEqual(refusal('target-invalid'));
    }
    await services.trust.change(await targetsChange(3, { releases: [{ ...one, rollbackFloor: 3 }] }));
    expect(await services.releases.show('grey@1.0.0')).toMatchObject({
      rollbackFloor: 3,
      statement: { rollbackFloor: 3 },
    });
  });

  it('takes counters and names of a model once, also those that were revoked', async () => {
    await services.trust.change(await targetsChange(2, { releases: [release('grey@1.0.0', 4)] }));
    expect(await services.trust.change(await targetsChange(3))).toMatchObject({ revoked: ['grey@1.0.0'] });
    const again = await targetsChange(4, { releases: [release('grey@1.0.0', 5)] });
    await expect(services.trust.change(again)).rejects.toEqual(refusal('release-exists'));
    const low = await targetsChange(4, { releases: [release('grey@1.1.0', 4)] });
    await expect(services.trust.change(low)).rejects.toEqual(refusal('release-counter-not-above'));
  });
});

describe('a revoked release', () => {
  beforeEach(found);

  it('is rolled out no more, and devices that have it are told to look', async () => {
    await services.trust.change(await targetsChange(2, { releases: [release('grey@1.0.0', 1)] }));
    await insertDevice(t, 'd-one', { running: 'grey@1.0.0' });
    await insertDevice(t, 'd-two');
    await t.query('truncate outbox');
    await services.trust.change(await targetsChange(3, { stopped: ['grey@1.0.0'] }));
    expect(await t.query('select device_id, payload from outbox')).toEqual([
      { device_id: 'd-one', payload: { reason: 'trust' } },
    ]);
    const strategy = { waves: [{ size: '100%', soak: '0s' }], deadline: '60s' };
    await expect(
      services.rollouts.create({ release: 'grey@1.0.0', target: 'profile=rpi5', strategy, onFailure: 'pause' }, 'ana'),
    ).rejects.toEqual(refusal('release-revoked'));
    expect(await services.trust.state()).toMatchObject({ stopped: ['grey@1.0.0'] });
  });
});

describe('keys', () => {
  beforeEach(found);

  it('change when those of before and those of after have signed', async () => {
    const roles = { root: keysOf(2, ben, cleo, second) };
    const byTwo = await services.trust.change({ root: await rootText(2, [ben, cleo], roles) });
    expect(byTwo).toMatchObject({ published: true });
    const alone = await services.trust.change({ root: await rootText(3, [second], roles) });
    expect(alone).toMatchObject({ published: false, missing: { root: 1 } });
    expect((await versions()).root).toBe(2);
  });

  it('of nobody who counts change nothing', async () => {
    const root = await rootText(2, [newSigner()], { root: keysOf(1, ana) });
    await expect(services.trust.change({ root })).rejects.toEqual(refusal('metadata-refused'));
  });

  it('of a publisher are replaced together with what they have signed, or devices would be blind', async () => {
    const roles = { targets: keysOf(1, second) };
    const root = await rootText(2, [ana, ben], roles);
    await expect(services.trust.change({ root })).rejects.toEqual(refusal('targets-need-signing'));
    const change = await targetsChange(2, { signers: [second] });
    expect(await services.trust.change({ root, ...change })).toMatchObject({ published: true });
    await expect(targetsChange(3).then((old) => services.trust.change(old))).rejects.toEqual(
      refusal('metadata-refused'),
    );
  });

  it('of two publishers are both needed where the root says so, each in their own time', async () => {
    const root = await rootText(2, [ana, ben], { targets: keysOf(2, publisher, second) });
    const change = await targetsChange(2, { releases: [release('grey@1.0.0', 1)] });
    expect(await services.trust.change({ root, ...change })).toMatchObject({
      published: false,
      missing: { root: 0, targets: 1 },
    });
    await expect(services.releases.get('grey@1.0.0')).rejects.toEqual(refusal('release-unknown'));
    const other = await targetsChange(2, { signers: [second] });
    await expect(services.trust.change(other)).rejects.toEqual(refusal('proposal-exists'));
    const waiting = decodeMetadata('targets', (await services.trust.proposal()).targets ?? '');
    signMetadata(waiting, [second as Signer]);
    expect(await services.trust.change({ targets: encodeMetadata(waiting) })).toMatchObject({
      published: true,
      releases: ['grey@1.0.0'],
    });
    expect(await services.releases.show('grey@1.0.0')).toMatchObject({ publisher: 'holder 0, holder 1' });
    await expect(services.trust.proposal()).rejects.toEqual(refusal('proposal-unknown'));
  });

  it('that have signed what waits are not undone by others who sign in their name', async () => {
    const signed = await rootText(2, [ana]);
    await services.trust.change({ root: signed });
    const forged = decodeMetadata('root', signed);
    signMetadata(forged, [{ ...(ana as Signer), sign: () => Buffer.alloc(64) }, newSigner()]);
    expect(await services.trust.change({ root: encodeMetadata(forged) })).toMatchObject({ missing: { root: 1 } });
    const waiting = decodeMetadata('root', (await services.trust.proposal()).root ?? '');
    expect(Object.keys(waiting.signatures)).toEqual([ana?.keyId]);
    signMetadata(waiting, [ben as Signer]);
    expect(await services.trust.change({ root: encodeMetadata(waiting) })).toMatchObject({ published: true });
  });

  it('that wait for signatures can be forgotten', async () => {
    await services.trust.change({ root: await rootText(2, [ana]) });
    await services.trust.discardProposal();
    await expect(services.trust.discardProposal()).rejects.toEqual(refusal('proposal-unknown'));
    expect(await services.trust.change({ root: await rootText(2, [ana, cleo]) })).toMatchObject({ published: true });
  });

  it('of the control plane are made here, and sign once the root names them', async () => {
    const made = await services.trust.makeOnlineKey('timestamp');
    const roles = { timestamp: { threshold: 1, keys: [{ name: 'new', publicKey: made.publicKey }] } };
    await services.trust.change({ root: await rootText(2, [ana, ben], roles) });
    const timestamp = decodeMetadata('timestamp', await services.trust.metadataFile('timestamp.json'));
    expect(Object.keys(timestamp.signatures)).toEqual([made.keyId]);
  });
});

describe('snapshot and timestamp', () => {
  beforeEach(found);

  const age = (role: string, days: number) =>
    t.query(`select count(*) from trust_metadata where role = $1 and expires_at > now() + $2 * interval '1 day'`, [
      role,
      days,
    ]);

  it('are renewed at half of their life, and not before', async () => {
    expect(await services.onlineSigning.renewDue()).toEqual([]);
    expect(await services.onlineSigning.renewDue(Date.now() + 0.6 * DAY_MS)).toEqual(['timestamp']);
    expect(await versions()).toMatchObject({ snapshot: 1, timestamp: 2 });
    expect(await services.onlineSigning.renewDue(Date.now() + 4 * DAY_MS)).toEqual(['snapshot', 'timestamp']);
    expect(await versions()).toMatchObject({ targets: 1, snapshot: 2, timestamp: 3 });
    expect(await age('snapshot', 10)).toEqual([{ count: '1' }]);
  });
});
