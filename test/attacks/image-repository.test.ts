import { createFleetTarget, createTargets, DIRECTOR_TARGET, targetsOf } from '@aviary/release';
import { newSigner } from '@aviary/release/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { director, stranger } from '../../apps/agent/src/testing/sealed-release.ts';
import { attackedDevices } from './attacked-device.ts';
import { isFleetTarget, isMetadata, MOST_BYTES, pour } from './hostile-plane.ts';

const DAY_MS = 86_400_000;
const { releaseOf, begun } = attackedDevices();
const [first, second, third] = await Promise.all([releaseOf(1), releaseOf(2, { rollbackFloor: 2 }), releaseOf(3)]);

describe('arbitrary software', () => {
  it('is refused when the control plane assigns what nobody has published', async () => {
    const { device } = await begun(first);
    device.isAssigned(second);
    await device.refuses('unknown-target');
    expect(device.served).toEqual([first.held.release]);
    await device.takes(third);
  });

  it('is refused when whoever holds the control plane signs targets of their own', async () => {
    const { device, repository } = await begun(first);
    // All online keys are theirs, and so are the numbers.
    repository.versions.targets += 1;
    const forged = createTargets(
      { version: repository.versions.targets, expires: Date.now() + DAY_MS },
      targetsOf(second.statement),
    );
    repository.put('targets', forged, [stranger]);
    repository.publishOnline();
    device.isAssigned(second);
    await device.refuses('metadata-refused');
    expect(device.served).toEqual([first.held.release]);
    await device.takes(third);
  });
});

describe('rollback', () => {
  it('to metadata in which a revoked release still stands is refused', async () => {
    const { device, repository } = await begun(first);
    device.published(second);
    const before = new Map(repository.files);
    repository.publish({ releases: [first.statement] });
    await device.takes(third);
    const { files } = repository;
    const after = new Map(files);
    files.clear();
    for (const [name, text] of before) files.set(name, text);
    device.isAssigned(second);
    await device.refuses('metadata-refused');
    expect(device.served).not.toContain(second.held.release);
    for (const [name, text] of after) files.set(name, text);
    await device.takes(await releaseOf(4));
  });

  it('to a release below the floor is refused, though its publisher has never revoked it', async () => {
    const { device } = await begun(first);
    await device.takes(second);
    device.isAssigned(first);
    await device.refuses('below-floor');
    expect(device.served.at(-1)).toBe(second.held.release);
    await device.takes(third);
  });
});

describe('freeze', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('ends new installs when the metadata has expired, also on a board whose clock was set back', async () => {
    const { device, repository } = await begun(first);
    await device.takes(second);
    // Nothing newer is given out any more, and what is there has been over for an hour.
    const { expires } = repository.edition;
    repository.publish({
      expires: { ...expires, timestamp: Date.now() - DAY_MS / 24 },
      releases: [...repository.edition.releases, third.statement],
    });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 90 * DAY_MS });
    device.isAssigned(third, { expires: Date.now() + 200 * DAY_MS });
    await device.refuses('metadata-expired');
    expect(device.served.at(-1)).toBe(second.held.release);
    vi.useRealTimers();
    repository.publish({ expires });
    await device.takes(await releaseOf(4));
  });
});

describe('mix-and-match', () => {
  it('of new metadata with the older file of who may assign is refused', async () => {
    const { device, plane, repository } = await begun(first);
    const fileWith = (publicKey: string) =>
      createFleetTarget(DIRECTOR_TARGET, { keys: [{ name: 'director 0', publicKey }] });
    const successor = newSigner();
    const older = fileWith(director.publicKeyPem).bytes;
    const newer = fileWith(successor.publicKeyPem).target.hashes.sha256 ?? '';
    repository.publish({ releases: [first.statement, second.statement], directorKeys: [successor.publicKeyPem] });
    plane.bend = (path, response) => {
      if (!isFleetTarget(path, newer)) return false;
      response.writeHead(200).end(older);
      return true;
    };
    device.isAssigned(second);
    await device.refuses('target-invalid');
    expect(device.served).toEqual([first.held.release]);
    plane.bend = () => false;
    device.isAssigned(second, {}, successor);
    await device.comesToServe(second);
  });

  it('of a new timestamp and snapshot with older targets is refused', async () => {
    const { device, repository } = await begun(first);
    device.published(second);
    const { versions, files } = repository;
    const older = repository.file(`${versions.targets}.targets.json`);
    repository.publish({ releases: [first.statement] });
    const name = `${versions.targets}.targets.json`;
    const newer = repository.file(name);
    files.set(name, older);
    device.isAssigned(second);
    await device.refuses('metadata-refused');
    expect(device.served).toEqual([first.held.release]);
    files.set(name, newer);
    await device.takes(third);
  });
});

describe('endless data', () => {
  it('instead of metadata is cut off, and nothing of it used', async () => {
    const { device, plane } = await begun(first);
    let sent = (): number => MOST_BYTES;
    plane.bend = (path, response) => {
      if (!isMetadata(path, 'timestamp.json')) return false;
      response.writeHead(200);
      sent = pour(response);
      return true;
    };
    device.published(second);
    device.isAssigned(second);
    await device.refuses('metadata-refused');
    expect(sent()).toBeLessThan(MOST_BYTES);
    expect(device.served).toEqual([first.held.release]);
    plane.bend = () => false;
    await device.takes(third);
  });
});

describe('fast-forward', () => {
  it('by stolen online keys is over once the publisher has replaced them', async () => {
    const { device, repository } = await begun(first);
    // The thief lets the numbers run up, so that whatever comes later looks old.
    const { timestamp, snapshot } = repository.versions;
    repository.versions.timestamp = 2 ** 31;
    repository.versions.snapshot = 2 ** 31;
    repository.publishOnline();
    await device.takes(second);
    repository.publishRoot({
      roles: {
        ...repository.edition.roles,
        timestamp: { threshold: 1, signers: [newSigner()] },
        snapshot: { threshold: 1, signers: [newSigner()] },
      },
    });
    repository.versions.timestamp = timestamp + 1;
    repository.versions.snapshot = snapshot + 1;
    await device.takes(third);
  });
});

describe('online-key compromise', () => {
  it('lets nobody assign a release that is not for this board', async () => {
    const { device } = await begun(first);
    const foreign = await releaseOf(2, { profiles: ['jetson-orin-nano'] });
    device.published(foreign);
    device.isAssigned(foreign);
    await device.refuses('wrong-profile');
    expect(device.served).toEqual([first.held.release]);
    await device.takes(third);
  });

  it('is over once the publisher has replaced the keys: what they sign counts no more', async () => {
    const { device, repository } = await begun(first);
    const successor = newSigner();
    repository.publish({ releases: [first.statement, second.statement], directorKeys: [successor.publicKeyPem] });
    device.isAssigned(second);
    await device.refuses('dsse-untrusted');
    expect(device.served).toEqual([first.held.release]);
    device.isAssigned(second, {}, successor);
    await device.comesToServe(second);
  });
});
