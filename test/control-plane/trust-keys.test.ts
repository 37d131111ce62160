import { decodeMetadata, encodeMetadata, signMetadata } from '@aviary/release';
import { newSigner } from '@aviary/release/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { ana, ben, cleo, DAY_MS, keysOf, publisher, refusal, second, trustRig } from '../support/trust-rig.ts';

const rig = trustRig();
const { rootText, targetsChange, release, found, versions } = rig;

describe('keys', () => {
  beforeEach(found);

  it('change when those of before and those of after have signed', async () => {
    const roles = { root: keysOf(2, ben, cleo, second) };
    const byTwo = await rig.services.trust.change({ root: await rootText(2, [ben, cleo], roles) });
    expect(byTwo).toMatchObject({ published: true });
    const alone = await rig.services.trust.change({ root: await rootText(3, [second], roles) });
    expect(alone).toMatchObject({ published: false, missing: { root: 1 } });
    expect((await versions()).root).toBe(2);
  });

  it('of nobody who counts change nothing', async () => {
    const root = await rootText(2, [newSigner()], { root: keysOf(1, ana) });
    await expect(rig.services.trust.change({ root })).rejects.toEqual(refusal('metadata-refused'));
  });

  it('of a publisher are replaced together with what they have signed, or devices would be blind', async () => {
    const roles = { targets: keysOf(1, second) };
    const root = await rootText(2, [ana, ben], roles);
    await expect(rig.services.trust.change({ root })).rejects.toEqual(refusal('targets-need-signing'));
    const change = await targetsChange(2, { signers: [second] });
    expect(await rig.services.trust.change({ root, ...change })).toMatchObject({ published: true });
    await expect(targetsChange(3).then((old) => rig.services.trust.change(old))).rejects.toEqual(
      refusal('metadata-refused'),
    );
  });

  it('of two publishers are both needed where the root says so, each in their own time', async () => {
    const root = await rootText(2, [ana, ben], { targets: keysOf(2, publisher, second) });
    const change = await targetsChange(2, { releases: [release('grey@1.0.0', 1)] });
    expect(await rig.services.trust.change({ root, ...change })).toMatchObject({
      published: false,
      missing: { root: 0, targets: 1 },
    });
    await expect(rig.services.releases.get('grey@1.0.0')).rejects.toEqual(refusal('release-unknown'));
    const other = await targetsChange(2, { signers: [second] });
    await expect(rig.services.trust.change(other)).rejects.toEqual(refusal('proposal-exists'));
    const waiting = decodeMetadata('targets', (await rig.services.trust.proposal()).targets ?? '');
    signMetadata(waiting, [second]);
    expect(await rig.services.trust.change({ targets: encodeMetadata(waiting) })).toMatchObject({
      published: true,
      releases: ['grey@1.0.0'],
    });
    expect(await rig.services.releases.show('grey@1.0.0')).toMatchObject({ publisher: 'holder 0, holder 1' });
    await expect(rig.services.trust.proposal()).rejects.toEqual(refusal('proposal-unknown'));
  });

  it('that have signed what waits are not undone by others who sign in their name', async () => {
    const signed = await rootText(2, [ana]);
    await rig.services.trust.change({ root: signed });
    const forged = decodeMetadata('root', signed);
    signMetadata(forged, [{ ...ana, sign: () => Buffer.alloc(64) }, newSigner()]);
    expect(await rig.services.trust.change({ root: encodeMetadata(forged) })).toMatchObject({ missing: { root: 1 } });
    const waiting = decodeMetadata('root', (await rig.services.trust.proposal()).root ?? '');
    expect(Object.keys(waiting.signatures)).toEqual([ana.keyId]);
    signMetadata(waiting, [ben]);
    expect(await rig.services.trust.change({ root: encodeMetadata(waiting) })).toMatchObject({ published: true });
  });

  it('that wait for signatures can be forgotten', async () => {
    await rig.services.trust.change({ root: await rootText(2, [ana]) });
    await rig.services.trust.discardProposal();
    await expect(rig.services.trust.discardProposal()).rejects.toEqual(refusal('proposal-unknown'));
    expect(await rig.services.trust.change({ root: await rootText(2, [ana, cleo]) })).toMatchObject({
      published: true,
    });
  });

  it('of the control plane are made here, and sign once the root names them', async () => {
    const made = await rig.services.trust.makeOnlineKey('timestamp');
    const roles = { timestamp: { threshold: 1, keys: [{ name: 'new', publicKey: made.publicKey }] } };
    await rig.services.trust.change({ root: await rootText(2, [ana, ben], roles) });
    const timestamp = decodeMetadata('timestamp', await rig.services.trust.metadataFile('timestamp.json'));
    expect(Object.keys(timestamp.signatures)).toEqual([made.keyId]);
  });
});

describe('snapshot and timestamp', () => {
  beforeEach(found);

  const age = (role: string, days: number) =>
    rig.t.query(`select count(*) from trust_metadata where role = $1 and expires_at > now() + $2 * interval '1 day'`, [
      role,
      days,
    ]);

  it('are renewed at half of their life, and not before', async () => {
    expect(await rig.services.onlineSigning.renewDue()).toEqual([]);
    expect(await rig.services.onlineSigning.renewDue(Date.now() + 0.6 * DAY_MS)).toEqual(['timestamp']);
    expect(await versions()).toMatchObject({ snapshot: 1, timestamp: 2 });
    expect(await rig.services.onlineSigning.renewDue(Date.now() + 4 * DAY_MS)).toEqual(['snapshot', 'timestamp']);
    expect(await versions()).toMatchObject({ targets: 1, snapshot: 2, timestamp: 3 });
    expect(await age('snapshot', 10)).toEqual([{ count: '1' }]);
  });
});
