import { mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newSigner, RepositorySimulator } from '../testing/repository-simulator.ts';
import { ImageRepository } from './image-repository.ts';
import { createSnapshot, createTargets, createTimestamp } from './role-metadata.ts';
import { TUF_ROLES, type TufRole } from './signed-metadata.ts';

const DAY_MS = 86_400_000;

let folder: string;
let simulator: RepositorySimulator;
let client: ImageRepository;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-tuf-test-'));
  simulator = new RepositorySimulator();
  client = new ImageRepository(join(folder, 'metadata'), simulator.pinnedRoot, simulator.source);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const refresh = (now = Date.now()) => client.refresh(now);
const versions = async () => {
  const { root, targets, snapshot, timestamp } = await refresh();
  return [root, targets, snapshot, timestamp].map(({ signed }) => signed.version);
};
const refused = { code: 'metadata-refused' };
const expired = { code: 'metadata-expired' };

describe('an image repository', () => {
  it('is followed from the pinned root to what is published now', async () => {
    expect(await versions()).toEqual([1, 1, 1, 1]);
    simulator.publish();
    simulator.publishTimestamp();
    expect(await versions()).toEqual([1, 2, 2, 3]);
  });

  it('is asked for no more than what is new', async () => {
    await refresh();
    simulator.asked.length = 0;
    await refresh();
    expect(simulator.asked).toEqual(['2.root.json', 'timestamp.json']);
  });

  it('that cannot be reached is no other than it was', async () => {
    await refresh();
    const failing = new ImageRepository(join(folder, 'metadata'), simulator.pinnedRoot, async () => {
      throw new Error('no route to host');
    });
    await expect(failing.refresh(Date.now())).rejects.toThrow('no route to host');
    expect(await versions()).toEqual([1, 1, 1, 1]);
  });

  it('keeps what it has when something new is refused, as it was', async () => {
    await refresh();
    const link = await readlink(join(folder, 'metadata', 'current'));
    simulator.put(
      'timestamp',
      createTimestamp({ version: 9, expires: Date.now() + DAY_MS }, { version: 1, text: 'x' }),
      [newSigner()],
    );
    await expect(refresh()).rejects.toMatchObject(refused);
    expect(await readlink(join(folder, 'metadata', 'current'))).toBe(link);
  });
});

// The scenarios of the TUF conformance suite, against a repository that we simulate.
describe('metadata of an image repository', () => {
  it.each<TufRole>(['targets', 'snapshot', 'timestamp'])(
    'of %s signed by a stranger is refused (arbitrary software)',
    async (role) => {
      simulator.edition = { ...simulator.edition, roles: simulator.rolesWith(role, [newSigner()]) };
      simulator.publish();
      await expect(refresh()).rejects.toMatchObject(refused);
    },
  );

  it('of a root that the root before did not sign is refused', async () => {
    await refresh();
    const stranger = newSigner();
    simulator.publishRoot({ roles: simulator.rolesWith('root', [stranger]) }, [stranger]);
    await expect(refresh()).rejects.toMatchObject(refused);
  });

  it('of a root that does not sign itself is refused', async () => {
    const before = simulator.edition.roles.root.signers;
    simulator.publishRoot({ roles: simulator.rolesWith('root', [newSigner()]) }, before);
    await expect(refresh()).rejects.toMatchObject(refused);
  });

  it('follows root keys from old to new, over several rotations at once', async () => {
    await refresh();
    for (let i = 0; i < 3; i += 1) simulator.publishRoot({ roles: simulator.rolesWith('root', [newSigner()]) });
    expect(await versions()).toEqual([4, 1, 1, 1]);
    const fresh = new ImageRepository(join(folder, 'fresh'), simulator.pinnedRoot, simulator.source);
    expect((await fresh.refresh(Date.now())).root.signed.version).toBe(4);
  });

  it('of a root that skips a version is refused', async () => {
    await refresh();
    simulator.versions.root = 2;
    simulator.publishRoot();
    simulator.files.set('2.root.json', simulator.file('3.root.json'));
    await expect(refresh()).rejects.toMatchObject(refused);
  });

  it('needs as many signatures as the threshold says', async () => {
    const [a, b, c] = [newSigner(), newSigner(), newSigner()];
    simulator.publishRoot({ roles: simulator.rolesWith('targets', [a, b, c], 2) });
    simulator.publish();
    expect((await refresh()).targets.signed.version).toBe(2);
    simulator.versions.targets += 1;
    const version = simulator.versions.targets;
    simulator.put('targets', createTargets({ version, expires: Date.now() + DAY_MS }, []), [a]);
    simulator.publishOnline();
    await expect(refresh()).rejects.toMatchObject(refused);
    simulator.put('targets', createTargets({ version, expires: Date.now() + DAY_MS }, []), [a, c]);
    simulator.publishOnline();
    expect((await refresh()).targets.signed.version).toBe(3);
  });

  it('signed twice with one key does not reach a threshold of two', async () => {
    const [a, b] = [newSigner(), newSigner()];
    simulator.publishRoot({ roles: simulator.rolesWith('targets', [a, b], 2) });
    simulator.edition = {
      ...simulator.edition,
      roles: { ...simulator.edition.roles, targets: { threshold: 2, signers: [a] } },
    };
    simulator.publish();
    const name = `${simulator.versions.targets}.targets.json`;
    const twice = JSON.parse(simulator.file(name));
    twice.signatures.push({ ...twice.signatures[0], keyid: b.keyId });
    simulator.files.set(name, JSON.stringify(twice));
    simulator.publishOnline();
    await expect(refresh()).rejects.toMatchObject(refused);
  });

  it.each<[TufRole, () => void]>([
    [
      'timestamp',
      () => {
        simulator.versions.timestamp = 0;
        simulator.publishTimestamp();
      },
    ],
    [
      'snapshot',
      () => {
        simulator.versions.snapshot = 0;
        simulator.publishOnline();
      },
    ],
    [
      'targets',
      () => {
        simulator.versions.targets = 0;
        simulator.publish();
      },
    ],
  ])('of %s that is older than what was seen is refused (rollback)', async (_, rollBack) => {
    simulator.publish();
    simulator.publish();
    await refresh();
    rollBack();
    await expect(refresh()).rejects.toMatchObject(refused);
  });

  it('of a snapshot that leaves the targets out is refused (mix-and-match)', async () => {
    await refresh();
    simulator.versions.snapshot += 1;
    const snapshot = createSnapshot(
      { version: simulator.versions.snapshot, expires: Date.now() + DAY_MS },
      { version: 1, text: '' },
    );
    delete snapshot.signed.meta['targets.json'];
    simulator.put('snapshot', snapshot);
    simulator.publishTimestamp();
    await expect(refresh()).rejects.toMatchObject(refused);
  });

  it('of targets that the snapshot does not name is refused (mix-and-match)', async () => {
    simulator.publish();
    const older = simulator.file('1.targets.json');
    simulator.files.set('2.targets.json', older);
    await expect(refresh()).rejects.toMatchObject(refused);
  });

  it.each<TufRole>(['targets', 'snapshot'])(
    'of %s with another length or digest than was signed is refused',
    async (role) => {
      const name = `1.${role}.json`;
      simulator.files.set(name, `${simulator.file(name)} `);
      await expect(refresh()).rejects.toMatchObject(refused);
      const changed = simulator.file(name).trimEnd();
      simulator.files.set(name, `${changed.slice(0, -2)} }\n`);
      await expect(refresh()).rejects.toMatchObject(refused);
    },
  );

  it.each(TUF_ROLES)('of %s that has expired is refused (freeze)', async (role) => {
    const expires = { ...simulator.edition.expires, [role]: Date.now() - 1000 };
    if (role === 'root') simulator.publishRoot({ expires });
    else simulator.publish({ expires });
    await expect(refresh()).rejects.toMatchObject(expired);
  });

  it.each(TUF_ROLES)(
    'of %s that had expired at a time that is known to have been is refused, whatever the clock says',
    async (role) => {
      const expires = { ...simulator.edition.expires, [role]: Date.now() + 2 * DAY_MS };
      if (role === 'root') simulator.publishRoot({ expires });
      else simulator.publish({ expires });
      await expect(refresh(Date.now() + 3 * DAY_MS)).rejects.toMatchObject({
        ...expired,
        message: expect.stringContaining(role),
      });
      expect((await refresh(Date.now() + DAY_MS)).targets).toBeDefined();
    },
  );

  it('recovers from a fast-forward once the keys that it was done with are replaced', async () => {
    await refresh();
    simulator.versions.timestamp = 1_000_000;
    simulator.versions.snapshot = 1_000_000;
    simulator.publishOnline();
    await refresh();
    const roles = {
      ...simulator.rolesWith('snapshot', [newSigner()]),
      timestamp: { threshold: 1, signers: [newSigner()] },
    };
    simulator.publishRoot({ roles });
    simulator.versions.timestamp = 1;
    simulator.versions.snapshot = 1;
    simulator.publishOnline();
    expect(await versions()).toEqual([2, 1, 2, 2]);
  });

  it('is not read beyond what it may be of (endless data)', async () => {
    const endless: string[] = [];
    const source = async (file: string, maxLength: number) => {
      endless.push(file);
      return file === 'timestamp.json' ? new Uint8Array(maxLength + 1) : simulator.source(file, maxLength);
    };
    const greedy = new ImageRepository(join(folder, 'greedy'), simulator.pinnedRoot, source);
    await expect(greedy.refresh(Date.now())).rejects.toMatchObject(refused);
    expect(endless.at(-1)).toBe('timestamp.json');
  });

  it('of a key that was taken out of the root counts no more', async () => {
    const [old, next] = [simulator.publisher, newSigner()];
    await refresh();
    simulator.publishRoot({ roles: simulator.rolesWith('targets', [next]) });
    simulator.versions.targets += 1;
    const version = simulator.versions.targets;
    simulator.put('targets', createTargets({ version, expires: Date.now() + DAY_MS }, []), [old]);
    simulator.publishOnline();
    await expect(refresh()).rejects.toMatchObject(refused);
    simulator.publish();
    expect((await refresh()).targets.signed.version).toBe(3);
  });
});

describe('what is kept of an image repository', () => {
  it('is replaced as a whole, and nothing is left of the one before', async () => {
    await refresh();
    simulator.publish();
    await refresh();
    const names = await readdir(join(folder, 'metadata'));
    expect(names.sort()).toEqual(['current', await readlink(join(folder, 'metadata', 'current'))].sort());
  });

  it.each(TUF_ROLES)('is begun anew from the pinned root when its %s is torn', async (role) => {
    simulator.publishRoot({ roles: simulator.rolesWith('timestamp', [newSigner()]) });
    simulator.publishTimestamp();
    await refresh();
    const path = join(folder, 'metadata', 'current', `${role}.json`);
    await writeFile(path, (await readFile(path)).subarray(0, 100));
    expect(await versions()).toEqual([2, 1, 1, 2]);
    expect(JSON.parse(await readFile(join(folder, 'metadata', 'current', `${role}.json`), 'utf8')).signed._type).toBe(
      role,
    );
  });

  it.each([
    ['its signature', '"sig":"', 10],
    ['what is signed', '"version":', 10],
  ])('is begun anew from the pinned root when a bit has turned in the root, in %s', async (_, before, after) => {
    simulator.publishRoot({ roles: simulator.rolesWith('timestamp', [newSigner()]) });
    simulator.publishTimestamp();
    await refresh();
    const path = join(folder, 'metadata', 'current', 'root.json');
    const bytes = await readFile(path);
    const at = bytes.indexOf(before) + after;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(path, bytes);
    expect(await versions()).toEqual([2, 1, 1, 2]);
  });

  it('is begun anew when its link leads nowhere', async () => {
    await refresh();
    await rm(join(folder, 'metadata', 'current'));
    await symlink('set-gone', join(folder, 'metadata', 'current'));
    expect(await versions()).toEqual([1, 1, 1, 1]);
  });
});
