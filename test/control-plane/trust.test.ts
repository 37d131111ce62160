import type { TrustChange } from '@aviary/protocol';
import { contentOfRoot, decodeMetadata, encodeMetadata, signMetadata } from '@aviary/release';
import { newSigner } from '@aviary/release/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { insertDevice } from '../support/rows.ts';
import { ana, ben, cleo, keysOf, publisher, refusal, trustRig } from '../support/trust-rig.ts';

const rig = trustRig();
const { rootText, targetsChange, release, found, versions } = rig;

/** Targets that hand some paths to somebody whom the root does not name. */
const delegating = async (version: number): Promise<TrustChange> => {
  const change = await targetsChange(version);
  const { signed } = JSON.parse(change.targets ?? '');
  const keyids = [ben.keyId];
  const keyval = { public: ben.publicKeyPem };
  signed.delegations = {
    keys: { [keyids[0] ?? '']: { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', keyval } },
    roles: [{ name: 'team', paths: ['grey/*/*'], keyids, threshold: 1, terminating: false }],
  };
  const metadata = decodeMetadata('targets', JSON.stringify({ signed, signatures: [] }));
  signMetadata(metadata, [publisher]);
  return { ...change, targets: encodeMetadata(metadata) };
};

describe('founding the image repository', () => {
  it('waits for as many root keys as the root asks for, and counts nothing before', async () => {
    const change = await targetsChange(1);
    const first = await rig.services.trust.found({ root: await rootText(1, [ana]), ...change });
    expect(first).toMatchObject({ published: false, missing: { root: 1, targets: 0 } });
    await expect(rig.services.trust.rootForDevices()).rejects.toThrow('has not been founded yet');
    const { root } = await rig.services.trust.proposal();
    const signed = decodeMetadata('root', root ?? '');
    signMetadata(signed, [cleo]);
    expect(await rig.services.trust.found({ root: encodeMetadata(signed) })).toMatchObject({ published: true });
    expect(await versions()).toEqual({ root: 1, targets: 1, snapshot: 1, timestamp: 1 });
    expect(contentOfRoot(decodeMetadata('root', await rig.services.trust.rootForDevices())).roles.root.threshold).toBe(
      2,
    );
  });

  it('is done once', async () => {
    await found();
    await expect(found()).rejects.toEqual(refusal('trust-founded'));
  });

  it('is refused where the control plane could sign nothing', async () => {
    const stranger = keysOf(1, newSigner());
    const root = await rootText(1, [ana, ben], { timestamp: stranger });
    await expect(rig.services.trust.found({ root, ...(await targetsChange(1)) })).rejects.toEqual(
      refusal('online-key-unlisted'),
    );
    const directors = stranger.keys.map((key) => ({ ...key }));
    const change = await targetsChange(1, { directors });
    await expect(rig.services.trust.found({ root: await rootText(1, [ana, ben]), ...change })).rejects.toEqual(
      refusal('director-key-unlisted'),
    );
    expect(await rig.t.query('select * from trust_metadata')).toEqual([]);
  });
});

describe('publishing', () => {
  beforeEach(found);

  it('makes what is signed known, and that it is the newest', async () => {
    const change = await targetsChange(2, { releases: [release('grey@1.0.0', 1)] });
    expect(await rig.services.trust.change(change)).toMatchObject({ published: true, releases: ['grey@1.0.0'] });
    expect(await versions()).toEqual({ root: 1, targets: 2, snapshot: 2, timestamp: 2 });
    expect((await rig.services.releases.show('grey@1.0.0')).publisher).toBe('holder 0');
    expect(await rig.services.trust.metadataFile('2.targets.json')).toBe(change.targets);
    await expect(rig.services.trust.metadataFile('3.targets.json')).rejects.toEqual(refusal('metadata-unknown'));
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
    await expect(change().then((one) => rig.services.trust.change(one))).rejects.toEqual(refusal(code));
    expect(await versions()).toEqual({ root: 1, targets: 1, snapshot: 1, timestamp: 1 });
    expect(await rig.t.query('select * from trust_proposal')).toEqual([]);
  });

  it('never changes a release, nor lowers its floor, but raises it', async () => {
    const one = release('grey@1.0.0', 4, { rollbackFloor: 1 });
    await rig.services.trust.change(await targetsChange(2, { releases: [one] }));
    for (const change of [
      { ...one, minAgent: '0.2.0' },
      { ...one, rollbackFloor: 0 },
    ]) {
      await expect(
        targetsChange(3, { releases: [change] }).then((next) => rig.services.trust.change(next)),
      ).rejects.toEqual(refusal('target-invalid'));
    }
    await rig.services.trust.change(await targetsChange(3, { releases: [{ ...one, rollbackFloor: 3 }] }));
    expect(await rig.services.releases.show('grey@1.0.0')).toMatchObject({
      rollbackFloor: 3,
      statement: { rollbackFloor: 3 },
    });
  });

  it('takes counters and names of a model once, also those that were revoked', async () => {
    await rig.services.trust.change(await targetsChange(2, { releases: [release('grey@1.0.0', 4)] }));
    expect(await rig.services.trust.change(await targetsChange(3))).toMatchObject({ revoked: ['grey@1.0.0'] });
    const again = await targetsChange(4, { releases: [release('grey@1.0.0', 5)] });
    await expect(rig.services.trust.change(again)).rejects.toEqual(refusal('release-exists'));
    const low = await targetsChange(4, { releases: [release('grey@1.1.0', 4)] });
    await expect(rig.services.trust.change(low)).rejects.toEqual(refusal('release-counter-not-above'));
  });
});

describe('a revoked release', () => {
  beforeEach(found);

  it('is rolled out no more, and devices that have it are told to look', async () => {
    await rig.services.trust.change(await targetsChange(2, { releases: [release('grey@1.0.0', 1)] }));
    await insertDevice(rig.t, 'd-one', { running: 'grey@1.0.0' });
    await insertDevice(rig.t, 'd-two');
    await rig.t.query('truncate outbox');
    await rig.services.trust.change(await targetsChange(3, { stopped: ['grey@1.0.0'] }));
    expect(await rig.t.query('select device_id, payload from outbox')).toEqual([
      { device_id: 'd-one', payload: { reason: 'trust' } },
    ]);
    const strategy = { waves: [{ size: '100%', soak: '0s' }], deadline: '60s' };
    await expect(
      rig.services.rollouts.create(
        { release: 'grey@1.0.0', target: 'profile=rpi5', strategy, onFailure: 'pause' },
        'ana',
      ),
    ).rejects.toEqual(refusal('release-revoked'));
    expect(await rig.services.trust.state()).toMatchObject({ stopped: ['grey@1.0.0'] });
  });
});
