import { createHash, createPublicKey, randomBytes } from 'node:crypto';
import { exampleFacts } from '@aviary/hardware';
import { AUDIT_START, type AuditEntry, adminRoutes, auditText, type Client, type Route } from '@aviary/protocol';
import {
  ageRecipientOf,
  createHeader,
  generateAgeIdentity,
  generateSigningKey,
  publicKeyPem,
  type ReleaseStatement,
} from '@aviary/release';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKeyRequest } from '../../apps/cli/src/key-request.ts';
import { setUpCode } from '../../apps/control-plane/src/features/access/set-up-code.ts';
import { openAccount, type TestAccount } from '../support/test-account.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';
import { TestPublisher, type TrustApi } from '../support/test-publisher.ts';

const PASSWORD = 'a long enough password';
const NEW_PASSWORD = 'another long password';
const BLOB = Buffer.from('sealed bytes');
const BLOB_SHA256 = createHash('sha256').update(BLOB).digest('hex');
const DIGEST = 'd'.repeat(64);

const boardKey = generateSigningKey();
const boardFingerprint = createHash('sha256')
  .update(createPublicKey(publicKeyPem(boardKey)).export({ type: 'spki', format: 'der' }))
  .digest('hex');

let plane: TestAdminPlane;
beforeAll(async () => {
  plane = await TestAdminPlane.start();
});
afterAll(() => plane.stop());

const entries = async (after = 0): Promise<AuditEntry[]> =>
  (await plane.admin.listAudit({ query: { after, limit: 1000 } })).items;

/** The seq of the first entry that does not follow from the one before; undefined when all do. */
const brokenAt = (chain: readonly AuditEntry[]): number | undefined => {
  let [seq, previousHash] = [0, AUDIT_START];
  for (const entry of chain) {
    const { hash, ...rest } = entry;
    seq += 1;
    const whole = createHash('sha256').update(auditText(rest)).digest('hex') === hash;
    if (!whole || entry.seq !== seq || entry.previousHash !== previousHash) return entry.seq;
    previousHash = hash;
  }
  return undefined;
};

const post = (path: string, body: object) =>
  fetch(plane.server + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

/** Founds the image repository over HTTP, as whoever asks is logged in. */
let publisher: TestPublisher;
const trustOf = (client: Client<typeof adminRoutes>): TrustApi => ({
  state: () => client.showTrust({}),
  found: (body) => client.foundTrust({ body }),
  change: (body) => client.changeTrust({ body }),
});

/** Trainable, so that a round can improve it. */
const statement = (): ReleaseStatement => ({
  release: 'grey@1.0.0',
  releaseCounter: 1,
  rollbackFloor: 0,
  minAgent: '0.1.0',
  issuedAt: 1,
  publisherKey: publisher.signer.publicKeyPem,
  targets: [
    {
      path: 'grey/1.0.0/fp32.age-payload',
      variant: 'onnx-fp32',
      runtime: 'onnxruntime',
      format: 'onnx',
      precision: 'fp32',
      profiles: ['rpi4', 'rpi5'],
      length: BLOB.length,
      sha256: BLOB_SHA256,
      plaintextSha256: DIGEST,
      plaintextLength: BLOB.length,
      omsSha256: DIGEST,
      training: { backbone: DIGEST, base: DIGEST, features: 4, classes: 2 },
    },
  ],
});

const addDevice = async (id: string): Promise<void> => {
  const { devices } = plane.services;
  const certificate = { pem: '', fingerprint: DIGEST, expiresAt: new Date(Date.now() + 1e9) };
  const device = {
    id,
    name: id,
    labels: { site: 'test' },
    facts: exampleFacts('rpi5'),
    recipient: 'age1',
    certificate,
  };
  await plane.services.database.transaction((sql) => devices.add(sql, device));
};

/** The next answer that names what was made, for the steps after it. */
let made = '';
let probe = '';

interface Step {
  /** Asked for as an admin who is logged in. */
  readonly act: (client: Client<typeof adminRoutes>, admin: TestAccount) => Promise<unknown>;
  readonly target: string | RegExp;
  readonly detail: object;
  readonly by?: { actor: string; via: AuditEntry['via'] };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

type ChangingRoute = {
  [Name in keyof typeof adminRoutes]: (typeof adminRoutes)[Name] extends { method: 'GET' } ? never : Name;
}[keyof typeof adminRoutes];

/** Every operation that changes something, in an order in which all of them can succeed. */
const STEPS: Partial<Record<ChangingRoute, Step>> = {
  setUp: {
    act: () => post('/api/v1/setup', { code: setUpCode(plane.services.adminToken), name: 'first', password: PASSWORD }),
    target: UUID,
    detail: { code: '(secret)', name: 'first', password: '(secret)' },
    by: { actor: 'first', via: 'set-up' },
  },
  logIn: {
    act: () => post('/api/v1/session', { name: 'first', password: PASSWORD }),
    target: UUID,
    detail: { name: 'first', password: '(secret)' },
    by: { actor: 'first', via: 'session' },
  },
  changePassword: {
    act: async (client, { password }) => {
      await client.changePassword({ body: { current: password, next: NEW_PASSWORD } });
    },
    target: UUID,
    detail: { current: '(secret)', next: '(secret)' },
  },
  createAccount: {
    act: async (client) => {
      made = (await client.createAccount({ body: { name: 'eve', role: 'viewer', password: PASSWORD } })).id;
    },
    target: UUID,
    detail: { name: 'eve', role: 'viewer', password: '(secret)' },
  },
  changeAccount: {
    act: (client) => client.changeAccount({ params: { id: made }, body: { role: 'operator', password: NEW_PASSWORD } }),
    target: UUID,
    detail: { role: 'operator', password: '(secret)' },
  },
  createToken: {
    act: async (client) => {
      made = (await client.createToken({ body: { name: 'ci', role: 'viewer' } })).id;
    },
    target: UUID,
    detail: { name: 'ci', role: 'viewer', ttlSeconds: 7_776_000 },
  },
  revokeToken: {
    act: (client) => client.revokeToken({ params: { id: made } }),
    target: UUID,
    detail: {},
  },
  createJoinToken: {
    act: (client) => client.createJoinToken({ body: { labels: { site: 'lyon' } } }),
    target: UUID,
    detail: { labels: { site: 'lyon' }, ttlSeconds: 3600 },
  },
  labelDevice: {
    act: async (client) => {
      await Promise.all(['device-1', 'device-2'].map(addDevice));
      await client.labelDevice({ params: { id: 'device-1' }, body: { labels: { floor: '2', site: 'test' } } });
    },
    target: 'device-1',
    detail: { labels: { floor: '2', site: 'test' } },
  },
  requestOperatorProfile: {
    act: (client) => client.requestOperatorProfile({ params: { id: 'device-1' }, body: { frames: 5 } }),
    target: 'device-1',
    detail: { frames: 5, expiresInSeconds: 600 },
  },
  revokeDevice: {
    act: async (client) => {
      await addDevice('device-3');
      await client.revokeDevice({ params: { id: 'device-3' } });
    },
    target: 'device-3',
    detail: {},
  },
  preauthorizeKey: {
    act: (client) =>
      client.preauthorizeKey({ body: { publicKey: publicKeyPem(boardKey), name: 'gate 3', profile: 'rpi5' } }),
    target: boardFingerprint,
    detail: expect.objectContaining({ name: 'gate 3', profile: 'rpi5', labels: {} }),
  },
  rejectKey: {
    act: (client) => client.rejectKey({ params: { fingerprint: boardFingerprint } }),
    target: boardFingerprint,
    detail: {},
  },
  approveKey: {
    act: (client) => client.approveKey({ params: { fingerprint: boardFingerprint }, body: { labels: { a: 'b' } } }),
    target: boardFingerprint,
    detail: { labels: { a: 'b' } },
  },
  foundTrust: {
    act: async (client) => {
      publisher = await TestPublisher.found(trustOf(client));
    },
    target: 'targets 1',
    detail: { root: expect.any(String), targets: expect.any(String), files: expect.anything(), variants: [] },
  },
  makeOnlineKey: {
    act: (client) => client.makeOnlineKey({ body: { role: 'director' } }),
    target: /^[0-9a-f]{64}$/,
    detail: { role: 'director' },
  },
  uploadBlob: {
    act: (_, { cookie, csrfToken }) =>
      fetch(`${plane.server}/api/v1/blobs/${BLOB_SHA256}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/octet-stream', cookie, 'x-aviary-csrf': csrfToken },
        body: BLOB,
      }),
    target: BLOB_SHA256,
    detail: {},
  },
  changeTrust: {
    act: async (client) => {
      const ageHeader = createHeader(randomBytes(16), plane.services.releases.recipient).toString('base64');
      await client.changeTrust({ body: publisher.publication([statement()], ageHeader) });
    },
    target: 'grey@1.0.0',
    detail: { targets: expect.any(String), files: [], variants: expect.anything() },
  },
  openVariant: {
    act: async (client) => {
      const params = { release: 'grey@1.0.0', variant: 'onnx-fp32' };
      await client.openVariant({ params, body: { recipient: ageRecipientOf(generateAgeIdentity()) } });
    },
    target: 'grey@1.0.0',
    detail: { variant: 'onnx-fp32', recipient: expect.stringMatching(/^age1/) },
  },
  discardProposal: {
    act: async (client) => {
      await plane.services.database.query(
        `insert into trust_proposal (root, targets, files, variants) values (null, null, '[]', '[]')`,
      );
      await client.discardProposal({});
    },
    target: 'proposal',
    detail: {},
  },
  createRollout: {
    act: async (client) => {
      const strategy = { waves: [{ size: '100%', soak: '0s' }], deadline: '60s' };
      const body = { release: 'grey@1.0.0', target: 'site=test', strategy, onFailure: 'pause' };
      made = (await client.createRollout({ body })).id;
    },
    target: UUID,
    detail: expect.objectContaining({ release: 'grey@1.0.0', target: 'site=test' }),
  },
  retryRollout: {
    act: async (client) => {
      await plane.database.query(`update rollout set state = 'RUNNING' where id = $1`, [made]);
      await client.retryRollout({ params: { id: made }, body: {} });
    },
    target: UUID,
    detail: {},
  },
  actOnRollout: {
    act: (client) => client.actOnRollout({ params: { id: made, action: 'abort' } }),
    target: UUID,
    detail: { action: 'abort' },
  },
  createRound: {
    act: async (client) => {
      made = (await client.createRound({ body: { release: 'grey@1.0.0', target: 'site=test', goal: 1 } })).id;
    },
    target: UUID,
    detail: expect.objectContaining({ release: 'grey@1.0.0', goal: 1 }),
  },
  abandonRound: {
    act: (client) => client.abandonRound({ params: { id: made } }),
    target: UUID,
    detail: {},
  },
  createProbe: {
    act: async (client) => {
      probe = (await client.createProbe({ body: { csr: (await makeKeyRequest()).csr } })).id;
    },
    target: /^probe-[0-9a-f]{12}$/,
    detail: { csr: expect.stringContaining('BEGIN CERTIFICATE REQUEST') },
  },
  removeProbe: { act: (client) => client.removeProbe({ params: { id: probe } }), target: /^probe-/, detail: {} },
  certifyBroker: {
    act: async (client) => {
      const { csr } = await makeKeyRequest();
      await client.certifyBroker({ body: { csr, hosts: ['broker.example'] } });
    },
    target: '',
    detail: { csr: expect.stringContaining('BEGIN CERTIFICATE REQUEST'), hosts: ['broker.example'] },
  },
  logOut: { act: (client) => client.logOut({}), target: UUID, detail: {} },
};

describe('every change', () => {
  let admin: TestAccount;

  it('has a step here', () => {
    const changing = Object.entries<Route>(adminRoutes)
      .filter(([, route]) => route.method !== 'GET' && route.changesNothing !== true)
      .map(([name]) => name);
    expect(Object.keys(STEPS).sort()).toEqual(changing.sort());
  });

  it.each(Object.entries(STEPS))('%s leaves one entry', async (action, step) => {
    if (action === 'changePassword') admin = await openAccount(plane.admin, plane.server, 'admin', 'ada');
    const before = await entries();
    const answer = await step.act(admin?.client, admin);
    if (answer instanceof Response) expect(answer.status).toBe(201);
    const after = await entries();
    expect(after.length - before.length).toBe(1);
    const { actor, via } = step.by ?? { actor: 'ada', via: 'session' };
    expect(after.at(-1)).toMatchObject({ actor, via, action });
    if (step.target === '') expect(after.at(-1)?.target).toBe('');
    expect(after.at(-1)?.target).toMatch(step.target);
    expect(after.at(-1)?.detail).toEqual(step.detail);
    expect(brokenAt(after)).toBeUndefined();
  });

  it('is told without secrets', async () => {
    const text = JSON.stringify(await entries());
    for (const secret of [PASSWORD, NEW_PASSWORD, setUpCode(plane.services.adminToken), admin.password]) {
      expect(text).not.toContain(secret);
    }
    expect(text).not.toMatch(/avt_/);
  });

  it('by the admin token, or by somebody’s API token, says so', async () => {
    const { token } = await plane.admin.createToken({ body: { name: 'robot', role: 'operator' } });
    const answer = await fetch(`${plane.server}/api/v1/join-tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: '{}',
    });
    expect(answer.status).toBe(201);
    expect((await entries()).slice(-2)).toMatchObject([
      { actor: 'admin-token', via: 'admin-token', action: 'createToken' },
      { actor: 'robot', via: 'token', action: 'createJoinToken' },
    ]);
  });

  it('that was refused leaves none, nor does what only answers', async () => {
    const before = await entries();
    const { admin: client } = plane;
    await expect(client.labelDevice({ params: { id: 'no-device' }, body: { name: 'x' } })).rejects.toThrow('no device');
    await expect(client.actOnRollout({ params: { id: crypto.randomUUID(), action: 'pause' } })).rejects.toThrow();
    await expect(client.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } })).rejects.toThrow();
    await expect(client.createRollout({ body: { release: 'grey@1.0.0', target: 'site=nowhere' } })).rejects.toThrow();
    await expect(client.abandonRound({ params: { id: made } })).rejects.toThrow('ABANDONED');
    expect((await post('/api/v1/session', { name: 'ada', password: 'wrong' })).status).toBe(401);
    const strategy = { waves: [{ size: '100%', soak: '0s' }], deadline: '60s' };
    await client.previewRollout({ body: { release: 'grey@1.0.0', target: 'site=test', strategy, onFailure: 'pause' } });
    expect(await entries()).toEqual(before);
  });

  it('is not made when its entry cannot be written', async () => {
    await plane.database.query(
      `alter table audit_entry add constraint refuse check (detail ->> 'name' is distinct from 'nobody') not valid`,
    );
    await expect(
      plane.admin.createAccount({ body: { name: 'nobody', role: 'viewer', password: PASSWORD } }),
    ).rejects.toThrow();
    await plane.database.query('alter table audit_entry drop constraint refuse');
    expect((await plane.admin.listAccounts({})).items.map(({ name }) => name)).not.toContain('nobody');
  });
});

describe('the chain', () => {
  it('has no hole and no fork when many write at once', async () => {
    const before = (await entries()).length;
    await Promise.all(Array.from({ length: 40 }, () => plane.admin.createJoinToken({ body: {} })));
    const after = await entries();
    expect(after.length - before).toBe(40);
    expect(brokenAt(after)).toBeUndefined();
  });

  it('is read in pages, from the oldest or from the newest', async () => {
    const all = await entries();
    const { items, last } = await plane.admin.listAudit({ query: { limit: 2 } });
    expect(last).toBe(all.length);
    expect(items).toEqual(all.slice(-2).reverse());
    expect((await plane.admin.listAudit({ query: { after: 3, limit: 2 } })).items).toEqual(all.slice(3, 5));
  });

  it('survives the database, whatever was asked for', async () => {
    const { audit, database } = plane.services;
    const by = { actor: 'ada', via: 'session' } as const;
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ noUnicodeString: false }), async (value) => {
        const detail = JSON.parse(JSON.stringify({ value }).replaceAll('\\u0000', ''));
        await audit.during({ by, action: 'test', target: '', detail }, () => database.transaction(async () => {}));
      }),
      { numRuns: 40 },
    );
    expect(brokenAt(await entries())).toBeUndefined();
  });

  it('cannot be changed by accident, and shows who did it on purpose', async () => {
    const change = `update audit_entry set actor = 'somebody else' where seq = 5`;
    await expect(plane.database.query(change)).rejects.toThrow('UPDATE is refused');
    await expect(plane.database.query('delete from audit_entry where seq = 5')).rejects.toThrow('DELETE is refused');
    await plane.database.query('alter table audit_entry disable trigger audit_entry_kept');
    await plane.database.query(change);
    expect(brokenAt(await entries())).toBe(5);
    await plane.database.query('delete from audit_entry where seq = 5');
    expect(brokenAt(await entries())).toBe(6);
  });
});
