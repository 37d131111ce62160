import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adminRoutes, createClient, type Role } from '@aviary/protocol';
import { ageRecipientOf, generateAgeIdentity } from '@aviary/release';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Connection } from '../../apps/cli/src/connection.ts';
import { findingWords } from '../../apps/cli/src/reading/finding-words.ts';
import { pullModel } from '../../apps/cli/src/reading/pull-model.ts';
import { verifyRelease } from '../../apps/cli/src/reading/verify-release.ts';
import { FleetRepository } from '../../apps/cli/src/trust/fleet-repository.ts';
import { Meddler } from '../support/meddler.ts';
import { PublishedModel, RELEASE } from '../support/published-model.ts';
import { writeTestModel } from '../support/test-model.ts';

// Runs the built command: npx tsc -b apps/cli
let model: PublishedModel;
let meddler: Meddler;
beforeAll(async () => {
  model = await PublishedModel.start();
  meddler = await Meddler.start(model.plane.server);
});
afterAll(async () => {
  meddler.stop();
  await model.stop();
});
afterEach(() => {
  meddler.meddle = undefined;
  meddler.redirect = (url) => url;
});

/** Through the meddler, as whoever has the admin token unless another role is named. */
const aviary = (args: string[], role?: Role) => model.aviary(args, role, meddler.url);

const withKey = (...args: string[]) => [...args, '--key', model.keyPath];

/** What the command works with, in this process. */
const open = async (role?: Role) => {
  const authorization = `Bearer ${model.token(role)}`;
  const client = createClient(adminRoutes, { baseUrl: meddler.url, fetch, headers: { authorization } });
  const connection: Connection = { baseUrl: meddler.url, authorization, from: 'the test', client };
  return { connection, repository: await FleetRepository.open(connection, { keyPath: model.keyPath }) };
};

const pull = async (role?: Role, release = RELEASE) => {
  const { connection, repository } = await open(role);
  const variant = release === RELEASE ? 'plain' : undefined;
  return pullModel(connection, repository, { release, variant, out: join(model.home, 'out') });
};

const verify = async (release: string) => {
  const { connection, repository } = await open();
  return verifyRelease(connection, repository, release, false);
};

/** Where the blob store keeps a variant. */
const blobFile = async (id: string) => {
  const { sha256 } = await model.target(id);
  return join(model.plane.database.directory, 'blobs', sha256.slice(0, 2), sha256);
};

/** What is in a user's home that a command has made, and in its temporary folder. */
const leftovers = async (): Promise<string[]> => [
  ...(await readdir(model.home)).filter((name) => name.startsWith('.aviary-') || name === 'out'),
  ...(await readdir(join(model.home, 'tmp'))).filter((name) => name.startsWith('aviary-')),
];

describe('aviary model verify', () => {
  it('says what is published, and finds it as it was signed, inside too', async () => {
    const { code, stdout } = await aviary(withKey('model', 'verify', RELEASE, '-o', 'json'));
    expect(code).toBe(0);
    const { ok, findings, metadata } = JSON.parse(stdout);
    expect(ok).toBe(true);
    expect(findings[0].release).toMatchObject({
      publisher: { name: 'ana' },
      stopped: false,
      statement: { release: RELEASE, releaseCounter: 1, rollbackFloor: 0 },
    });
    expect(findings[0].variants).toHaveLength(2);
    for (const variant of findings[0].variants) {
      expect(variant).toMatchObject({ problem: null, closed: null, inside: { bom: { specVersion: '1.6' } } });
      expect(variant.inside.files).toBeGreaterThan(10);
    }
    expect(metadata.expiresAt).toBeGreaterThan(Date.now());
    expect(metadata.expiresAt).toBe(metadata.roles.timestamp.expiresAt);
  });

  it('needs no key, only the fingerprint of the root, and compares the sealed bytes for whoever may not read', async () => {
    const stranger = ['model', 'verify', RELEASE, '--key', join(model.home, 'no-such.key')];
    const asked = await aviary(stranger, 'viewer');
    expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining('--root-fingerprint') });
    const [, fingerprint = ''] = /fingerprint ([0-9a-f]{64})/.exec(asked.stderr) ?? [];
    const wrong = await aviary([...stranger, '--root-fingerprint', 'a'.repeat(64)], 'viewer');
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('Do not trust it') });
    const seen = await aviary([...stranger, '--root-fingerprint', fingerprint], 'viewer');
    expect(seen, seen.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('closed to your role') });
    expect(seen.stdout).toMatch(/^grey@1\.0\.0 {3}counter 1, rollback floor 0, signed by ana \([0-9a-f]{16}\)/);
    expect(seen.stdout).toMatch(/plain +holds, /);
    expect(seen.stdout).toContain('The signed metadata (targets version 2, root version 1) counts until ');
  });

  it('says that there is no such release, and that there is no such file', async () => {
    expect(await aviary(withKey('model', 'verify', 'grey@7.0.0'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('grey@7.0.0 is not among the releases'),
    });
    expect(await aviary(withKey('model', 'verify', './nothing'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"./nothing", which is not there'),
    });
  });
});

describe('aviary model pull', () => {
  it('brings what was pushed, byte for byte, and it verifies here', async () => {
    const out = join(model.home, 'pulled');
    const { code, stdout, stderr } = await aviary(
      withKey('model', 'pull', RELEASE, '--variant', 'plain', '--out', out),
      'publisher',
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^\S+pulled has grey@1\.0\.0, variant plain: \d+ files, as ana has signed them\.\n$/);
    const bytes = (folder: string, name: string) => readFile(join(folder, name));
    for (const name of [
      'model.onnx',
      ...(await readdir(join(out, 'acceptance'))).map((file) => `acceptance/${file}`),
    ]) {
      expect((await bytes(out, name)).equals(await bytes(model.folder, name)), name).toBe(true);
    }
    expect((await readdir(out)).sort()).toEqual([
      'acceptance',
      'bom.cdx.json',
      'labels.txt',
      'manifest.json',
      'model.onnx',
      'model.sig',
    ]);
    expect(await leftovers()).toEqual([]);
    const local = await aviary(withKey('model', 'verify', out), 'viewer');
    expect(local).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('is the folder of grey@1.0.0, variant plain'),
    });
    const sealed = await aviary(withKey('model', 'verify', await blobFile('other')), 'viewer');
    expect(sealed).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('has the sealed bytes of grey@1.0.0, variant other'),
    });

    expect(await aviary(withKey('model', 'pull', RELEASE, '--variant', 'plain', '--out', out))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('nothing is overwritten'),
    });
    expect(await aviary(withKey('model', 'push', out))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('aviary model import --oms-key'),
    });
    const imported = join(model.home, 'imported');
    expect(
      await aviary(['model', 'import', '--oms-key', join(model.home, 'publisher.key.pub'), out, '--out', imported]),
    ).toMatchObject({ code: 0, stdout: expect.stringContaining('raise the version') });
    const definition = await readFile(join(imported, 'model.yaml'), 'utf8');
    await writeFile(join(imported, 'model.yaml'), definition.replace('version: 1.0.0', 'version: 1.0.1'));
    const again = await aviary(withKey('model', 'push', imported, '-o', 'json'));
    expect(again, again.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(again.stdout)).toMatchObject({ published: true, variants: [{ id: 'plain' }] });

    await writeFile(join(out, 'labels.txt'), 'other\nlabels\n');
    expect(await aviary(withKey('model', 'verify', out), 'viewer')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('labels.txt was changed after it was signed'),
    });
    await rm(out, { recursive: true });
  });

  it('asks which variant, where there are several', async () => {
    const { connection, repository } = await open();
    const ask = (variant?: string) =>
      pullModel(connection, repository, { release: RELEASE, variant, out: join(model.home, 'out') });
    await expect(ask()).rejects.toThrow('2 variants: plain, other');
    await expect(ask('x')).rejects.toThrow('for --variant, got "x"');
  });

  it.each<Role>(['viewer', 'operator'])('is refused to a %s', async (role) => {
    await expect(pull(role)).rejects.toMatchObject({ code: 'role-missing' });
    expect(await leftovers()).toEqual([]);
  });

  it.each<[string, (sealed: Buffer) => Buffer]>([
    ['a flipped bit', (sealed) => Buffer.concat([sealed.subarray(0, -1), Buffer.of((sealed.at(-1) ?? 0) ^ 1)])],
    ['a byte more', (sealed) => Buffer.concat([sealed, Buffer.of(0)])],
    ['a byte less', (sealed) => sealed.subarray(0, -1)],
  ])('refuses sealed bytes with %s, as verify does, and leaves nothing', async (_, tamper) => {
    const path = await blobFile('plain');
    const before = await readFile(path);
    await writeFile(path, tamper(before));
    try {
      await expect(pull()).rejects.toMatchObject({ code: 'sealed-changed' });
      expect(await leftovers()).toEqual([]);
      const { variants } = await verify(RELEASE);
      expect(variants.map(({ problem }) => problem?.code)).toEqual(['sealed-changed', undefined]);
      expect(findingWords(await verify(RELEASE))).toMatch(
        /plain +DOES NOT HOLD .*\nother +holds, .*\nplain: .* not those that were/,
      );
    } finally {
      await writeFile(path, before);
    }
  });

  it('says that the sealed bytes are gone', async () => {
    const path = await blobFile('plain');
    const before = await readFile(path);
    await rm(path);
    try {
      await expect(pull()).rejects.toMatchObject({ code: 'sealed-missing' });
      const verified = await aviary(withKey('model', 'verify', RELEASE, '--sealed', '-o', 'json'));
      expect(verified.code).toBe(1);
      expect(JSON.parse(verified.stdout)).toMatchObject({ ok: false });
    } finally {
      await writeFile(path, before);
    }
  });

  it("refuses the key of another variant, and leaves nothing of what it didn't open", async () => {
    meddler.redirect = (url) => url.replace('/variants/plain/', '/variants/other/');
    await expect(pull()).rejects.toMatchObject({
      code: 'key-refused',
      message: expect.stringContaining('a key that does not open plain of grey@1.0.0'),
    });
    expect(await leftovers()).toEqual([]);
  });

  it('refuses a header for somebody else', async () => {
    const other = await model.plane.admin.openVariant({
      params: { release: RELEASE, variant: 'plain' },
      body: { recipient: ageRecipientOf(generateAgeIdentity()) },
    });
    meddler.meddle = (request, response) => {
      if (!request.url?.endsWith('/header')) return false;
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(other));
      return true;
    };
    await expect(pull()).rejects.toMatchObject({
      code: 'key-refused',
      message: expect.stringContaining('sealed to other recipients'),
    });
    expect(await leftovers()).toEqual([]);
  });

  it('leaves nothing of a download that is torn', async () => {
    const { length } = await model.target('plain');
    meddler.meddle = (request, response) => {
      if (!request.url?.startsWith('/api/v1/blobs/')) return false;
      response.writeHead(206, { 'content-range': `bytes 0-${length - 1}/${length}`, 'content-length': length });
      response.write(Buffer.alloc(1000), () => response.destroy());
      return true;
    };
    await expect(pull()).rejects.toMatchObject({
      code: 'sealed-torn',
      message: expect.stringMatching(/was cut off after \d+ of \d+ bytes\. Try again\./),
    });
    expect(await leftovers()).toEqual([]);
  });

  it('refuses a mirror that serves older metadata than was seen', async () => {
    const fetched = await fetch(`${model.plane.server}/api/v1/trust/metadata/timestamp.json`, {
      headers: { authorization: `Bearer ${model.token()}` },
    });
    const older = await fetched.text();
    const next = await writeTestModel(model.home, { version: '1.1.0', manner: 'sure' });
    expect((await aviary(withKey('model', 'push', next))).code).toBe(0);
    // What was seen is kept beside the key.
    expect((await verify('grey@1.1.0')).variants).toMatchObject([{ problem: null }]);
    meddler.meddle = (request, response) => {
      if (!request.url?.endsWith('/timestamp.json')) return false;
      response.writeHead(200, { 'content-type': 'application/json' }).end(older);
      return true;
    };
    const refused = { code: 'metadata-refused' };
    await expect(verify(RELEASE)).rejects.toMatchObject(refused);
    await expect(pull()).rejects.toMatchObject(refused);
    expect(await leftovers()).toEqual([]);
  });

  it('does not bring a release that was taken back, nor does the control plane give its key', async () => {
    expect((await aviary(withKey('model', 'revoke', 'grey@1.1.0', '--yes'))).code).toBe(0);
    await expect(pull(undefined, 'grey@1.1.0')).rejects.toMatchObject({ code: 'not-published' });
    const asked = model.plane.admin.openVariant({
      params: { release: 'grey@1.1.0', variant: 'onnx-fp32' },
      body: { recipient: ageRecipientOf(generateAgeIdentity()) },
    });
    await expect(asked).rejects.toMatchObject({ code: 'release-revoked' });
  });

  it('writes down who pulled what, once for each that was opened', async () => {
    const before = (await model.plane.admin.listAudit({ query: { limit: 1 } })).last;
    await pull('publisher');
    await rm(join(model.home, 'out'), { recursive: true });
    const { items } = await model.plane.admin.listAudit({ query: { after: before } });
    expect(items).toMatchObject([
      { actor: 'publisher', via: 'token', action: 'openVariant', target: RELEASE, detail: { variant: 'plain' } },
    ]);
  });
});
