import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateAgeIdentity } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import { heldRelease, sha256Of } from '../testing/releases.ts';
import { identity, publisher, type SealedRelease, sealRelease, stranger } from '../testing/sealed-release.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { ReleaseStore } from './release-store.ts';

const makeFolder = temporaryFolders();

const start = async (who: Pick<typeof identity, 'ageIdentity'> = identity) => {
  const folder = await makeFolder();
  const plain = join(folder, 'plain');
  await mkdir(plain);
  const store = new ReleaseStore(join(folder, 'sealed'), plain, who);
  await store.start();
  return { store, plain, sealed: join(folder, 'sealed') };
};

/** A store that has the sealed bytes of a release. */
const holding = async ({ held, sealed }: SealedRelease, who?: typeof identity) => {
  const started = await start(who);
  await writeFile(started.store.sealedPath(held.sha256), sealed);
  return { ...started, held };
};

describe('the release store', () => {
  it('opens a release into files that nobody else can read', async () => {
    const { store, held, plain } = await holding(await sealRelease());
    const folder = await store.open(held);
    expect(folder).toBe(join(plain, held.digest));
    expect((await readdir(folder, { recursive: true })).sort()).toEqual([
      'acceptance',
      'acceptance/0.png',
      'manifest.json',
      'model.onnx',
      'model.sig',
    ]);
    expect(await readFile(join(folder, 'model.onnx'), 'utf8')).toBe('model of a@1.0.0');
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, 'model.onnx'))).mode & 0o777).toBe(0o600);
    expect(await readdir(plain)).toEqual([held.digest]);
  });

  it('opens it once', async () => {
    const { store, held } = await holding(await sealRelease());
    const folder = await store.open(held);
    await writeFile(store.sealedPath(held.sha256), 'gone bad');
    expect(await store.open(held)).toBe(folder);
  });

  it('is not misled by what was left of an opening that was cut', async () => {
    const { store, held, plain } = await holding(await sealRelease());
    await mkdir(join(plain, `${held.digest}.new`));
    await writeFile(join(plain, `${held.digest}.new`, 'leftover'), 'x');
    expect(await readdir(await store.open(held))).not.toContain('leftover');
  });

  it.each<[string, (release: SealedRelease) => SealedRelease, string, string]>([
    [
      'one flipped bit',
      (release) => {
        const sealed = Buffer.from(release.sealed);
        sealed.writeUInt8(sealed.readUInt8(100) ^ 1, 100);
        return { ...release, sealed };
      },
      'age-payload-tampered',
      'the release does not open',
    ],
    [
      'a cut file',
      (release) => ({ ...release, sealed: release.sealed.subarray(0, -20) }),
      'age-payload-t',
      'the release does not open',
    ],
    [
      'another digest than the publisher signed',
      (release) => ({ ...release, held: { ...release.held, digest: sha256Of('another') } }),
      'digest-mismatch',
      'expected the archive',
    ],
    [
      'no header at all',
      (release) => ({ ...release, held: { ...release.held, ageHeader: 'aGVhZGVy' } }),
      'age-header-malformed',
      'the release does not open',
    ],
  ])('fails over %s, and leaves nothing opened', async (_, damage, code, words) => {
    const { store, held, plain } = await holding(damage(await sealRelease()));
    await expect(store.open(held)).rejects.toMatchObject({
      state: 'FAILED',
      code: expect.stringContaining(code),
      message: expect.stringContaining(words),
    });
    expect(await readdir(plain)).toEqual([]);
  });

  it('fails over a file that is not there', async () => {
    const { store } = await start();
    const { held } = await sealRelease();
    await expect(store.open(held)).rejects.toMatchObject({ state: 'FAILED', code: 'enoent' });
  });

  it('fails over what is sealed to another device', async () => {
    const { store, held } = await holding(await sealRelease(), { ...identity, ageIdentity: generateAgeIdentity() });
    await expect(store.open(held)).rejects.toMatchObject({ state: 'FAILED', code: 'age-not-for-us' });
  });

  it.each<[string, Parameters<typeof sealRelease>[1]]>([
    ['what a stranger signed', { signer: stranger }],
    [
      'a model that was changed after it was signed',
      { tamper: (files) => files.set('model.onnx', Buffer.from('evil')) },
    ],
    ['a file that nobody signed', { tamper: (files) => files.set('extra', Buffer.from('evil')) }],
    ['an archive without a signature', { tamper: (files) => files.delete('model.sig') }],
    ['an archive of another release', { manifest: { release: 'b@1.0.0' } }],
  ])('refuses %s for ever, and leaves nothing opened', async (_, change) => {
    const { store, held, plain } = await holding(await sealRelease('a@1.0.0', change));
    // Whom the image repository names, whoever signed.
    await expect(store.open({ ...held, publisherKey: publisher.publicKeyPem })).rejects.toMatchObject({
      state: 'REJECTED',
      message: expect.stringContaining('the release is refused'),
    });
    expect(await readdir(plain)).toEqual([]);
  });

  it('keeps what still counts, with what has come of it so far, and removes the rest', async () => {
    const { store, sealed, plain } = await start();
    const [committed, previous, candidate, old] = ['a', 'b', 'c', 'd'].map((name) => heldRelease(name));
    for (const release of [committed, previous, old]) await writeFile(store.sealedPath(release?.sha256 ?? ''), 'x');
    for (const release of [candidate, old]) await writeFile(`${store.sealedPath(release?.sha256 ?? '')}.part`, 'x');
    for (const release of [committed, candidate, old]) {
      await mkdir(join(plain, release?.digest ?? ''));
      await writeFile(join(plain, release?.digest ?? '', 'model.onnx'), 'x');
    }
    await mkdir(join(plain, `${old?.digest}.new`));
    const kept = [committed, previous, candidate].map((release) => release?.sha256 ?? '');
    await store.collectGarbage(kept, [committed?.digest ?? '', candidate?.digest ?? '']);
    expect((await readdir(sealed)).sort()).toEqual(
      [committed?.sha256, previous?.sha256, `${candidate?.sha256}.part`].sort(),
    );
    expect((await readdir(plain)).sort()).toEqual([committed?.digest, candidate?.digest].sort());
  });

  it('asks for room before a byte is fetched, and says how much is missing', async () => {
    const { store } = await start();
    await store.checkSpace(heldRelease('small'));
    const huge = heldRelease('huge', { length: 2 ** 52 });
    await expect(store.checkSpace(huge)).rejects.toMatchObject({
      state: 'FAILED',
      code: 'disk-full',
      message: expect.stringMatching(/^the disk has \d+ MB free, 4294967328 MB are needed; free some space$/),
    });
  });

  it('does not ask twice for the room of what has come already', async () => {
    const { store } = await start();
    const release = heldRelease('half', { length: 2 ** 52 });
    await writeFile(`${store.sealedPath(release.sha256)}.part`, Buffer.alloc(2 ** 20));
    await expect(store.checkSpace(release)).rejects.toThrow(/ 4294967327 MB are needed/);
    await writeFile(store.sealedPath(release.sha256), 'whole');
    await expect(store.checkSpace(heldRelease('half', { length: 5 }))).resolves.toBeUndefined();
  });
});
