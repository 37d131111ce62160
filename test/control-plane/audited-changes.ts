import { createHash, createPublicKey, randomBytes } from 'node:crypto';
import { exampleFacts } from '@aviary/hardware';
import type { AuditEntry, adminRoutes, Client } from '@aviary/protocol';
import {
  ageRecipientOf,
  createHeader,
  generateAgeIdentity,
  generateSigningKey,
  publicKeyPem,
  type ReleaseStatement,
} from '@aviary/release';
import { expect } from 'vitest';
import { makeKeyRequest } from '../../apps/cli/src/key-request.ts';
import { setUpCode } from '../../apps/control-plane/src/features/access/set-up-code.ts';
import type { TestAccount } from '../support/test-account.ts';
import type { TestAdminPlane } from '../support/test-admin-plane.ts';
import { TestPublisher, type TrustApi } from '../support/test-publisher.ts';

/** Who changes something, where. */
interface Actor {
  readonly plane: TestAdminPlane;
  /** An admin who is logged in, once there is one. */
  readonly account: TestAccount;
  readonly client: Client<typeof adminRoutes>;
}

/** A change through the admin API, and what its entry in the audit trail says. */
export interface AuditedChange {
  readonly act: (by: Actor) => Promise<unknown>;
  readonly target: string | RegExp;
  readonly detail: object;
  /** Absent: the account, in its session. */
  readonly by?: { actor: string; via: AuditEntry['via'] };
}

export const PASSWORD = 'a long enough password';
export const NEW_PASSWORD = 'another long password';
const BLOB = Buffer.from('sealed bytes');
const BLOB_SHA256 = createHash('sha256').update(BLOB).digest('hex');
const DIGEST = 'd'.repeat(64);

const boardKey = generateSigningKey();
const boardFingerprint = createHash('sha256')
  .update(createPublicKey(publicKeyPem(boardKey)).export({ type: 'spki', format: 'der' }))
  .digest('hex');

const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

/** Asks as somebody who is not logged in. */
export const post = ({ server }: TestAdminPlane, path: string, body: object) =>
  fetch(server + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

let publisher: TestPublisher;
/** Founds the image repository over HTTP, as whoever asks is logged in. */
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

const addDevice = async ({ services }: TestAdminPlane, id: string): Promise<void> => {
  const { database, devices } = services;
  const certificate = { pem: '', fingerprint: DIGEST, expiresAt: new Date(Date.now() + 1e9) };
  const device = {
    id,
    name: id,
    labels: { site: 'test' },
    facts: exampleFacts('rpi5'),
    recipient: 'age1',
    certificate,
  };
  await database.transaction((sql) => devices.add(sql, device));
};

/** The next answer that names what was made, for the steps after it. */
let made = '';
let probe = '';

type ChangingRoute = {
  [Name in keyof typeof adminRoutes]: (typeof adminRoutes)[Name] extends { method: 'GET' } ? never : Name;
}[keyof typeof adminRoutes];

/** Every operation that changes something, in an order in which all of them can succeed. */
export const AUDITED_CHANGES: Partial<Record<ChangingRoute, AuditedChange>> = {
  setUp: {
    act: ({ plane }) =>
      post(plane, '/api/v1/setup', { code: setUpCode(plane.services.adminToken), name: 'first', password: PASSWORD }),
    target: UUID,
    detail: { code: '(secret)', name: 'first', password: '(secret)' },
    by: { actor: 'first', via: 'set-up' },
  },
  logIn: {
    act: ({ plane }) => post(plane, '/api/v1/session', { name: 'first', password: PASSWORD }),
    target: UUID,
    detail: { name: 'first', password: '(secret)' },
    by: { actor: 'first', via: 'session' },
  },
  changePassword: {
    act: async ({ client, account }) => {
      await client.changePassword({ body: { current: account.password, next: NEW_PASSWORD } });
    },
    target: UUID,
    detail: { current: '(secret)', next: '(secret)' },
  },
  createAccount: {
    act: async ({ client }) => {
      made = (await client.createAccount({ body: { name: 'eve', role: 'viewer', password: PASSWORD } })).id;
    },
    target: UUID,
    detail: { name: 'eve', role: 'viewer', password: '(secret)' },
  },
  changeAccount: {
    act: ({ client }) =>
      client.changeAccount({ params: { id: made }, body: { role: 'operator', password: NEW_PASSWORD } }),
    target: UUID,
    detail: { role: 'operator', password: '(secret)' },
  },
  createToken: {
    act: async ({ client }) => {
      made = (await client.createToken({ body: { name: 'ci', role: 'viewer' } })).id;
    },
    target: UUID,
    detail: { name: 'ci', role: 'viewer', ttlSeconds: 7_776_000 },
  },
  revokeToken: {
    act: ({ client }) => client.revokeToken({ params: { id: made } }),
    target: UUID,
    detail: {},
  },
  createJoinToken: {
    act: ({ client }) => client.createJoinToken({ body: { labels: { site: 'lyon' } } }),
    target: UUID,
    detail: { labels: { site: 'lyon' }, ttlSeconds: 3600 },
  },
  labelDevice: {
    act: async ({ client, plane }) => {
      await Promise.all(['device-1', 'device-2'].map((id) => addDevice(plane, id)));
      await client.labelDevice({ params: { id: 'device-1' }, body: { labels: { floor: '2', site: 'test' } } });
    },
    target: 'device-1',
    detail: { labels: { floor: '2', site: 'test' } },
  },
  requestOperatorProfile: {
    act: ({ client }) => client.requestOperatorProfile({ params: { id: 'device-1' }, body: { frames: 5 } }),
    target: 'device-1',
    detail: { frames: 5, expiresInSeconds: 600 },
  },
  revokeDevice: {
    act: async ({ client, plane }) => {
      await addDevice(plane, 'device-3');
      await client.revokeDevice({ params: { id: 'device-3' } });
    },
    target: 'device-3',
    detail: {},
  },
  preauthorizeKey: {
    act: ({ client }) =>
      client.preauthorizeKey({ body: { publicKey: publicKeyPem(boardKey), name: 'gate 3', profile: 'rpi5' } }),
    target: boardFingerprint,
    detail: expect.objectContaining({ name: 'gate 3', profile: 'rpi5', labels: {} }),
  },
  rejectKey: {
    act: ({ client }) => client.rejectKey({ params: { fingerprint: boardFingerprint } }),
    target: boardFingerprint,
    detail: {},
  },
  approveKey: {
    act: ({ client }) => client.approveKey({ params: { fingerprint: boardFingerprint }, body: { labels: { a: 'b' } } }),
    target: boardFingerprint,
    detail: { labels: { a: 'b' } },
  },
  foundTrust: {
    act: async ({ client }) => {
      publisher = await TestPublisher.found(trustOf(client));
    },
    target: 'targets 1',
    detail: { root: expect.any(String), targets: expect.any(String), files: expect.anything(), variants: [] },
  },
  makeOnlineKey: {
    act: ({ client }) => client.makeOnlineKey({ body: { role: 'director' } }),
    target: /^[0-9a-f]{64}$/,
    detail: { role: 'director' },
  },
  uploadBlob: {
    act: ({ plane, account: { cookie, csrfToken } }) =>
      fetch(`${plane.server}/api/v1/blobs/${BLOB_SHA256}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/octet-stream', cookie, 'x-aviary-csrf': csrfToken },
        body: BLOB,
      }),
    target: BLOB_SHA256,
    detail: {},
  },
  changeTrust: {
    act: async ({ client, plane }) => {
      const ageHeader = createHeader(randomBytes(16), plane.services.releases.recipient).toString('base64');
      await client.changeTrust({ body: publisher.publication([statement()], ageHeader) });
    },
    target: 'grey@1.0.0',
    detail: { targets: expect.any(String), files: [], variants: expect.anything() },
  },
  openVariant: {
    act: async ({ client }) => {
      const params = { release: 'grey@1.0.0', variant: 'onnx-fp32' };
      await client.openVariant({ params, body: { recipient: ageRecipientOf(generateAgeIdentity()) } });
    },
    target: 'grey@1.0.0',
    detail: { variant: 'onnx-fp32', recipient: expect.stringMatching(/^age1/) },
  },
  discardProposal: {
    act: async ({ client, plane }) => {
      await plane.services.database.query(
        `insert into trust_proposal (root, targets, files, variants) values (null, null, '[]', '[]')`,
      );
      await client.discardProposal({});
    },
    target: 'proposal',
    detail: {},
  },
  createRollout: {
    act: async ({ client }) => {
      const strategy = { waves: [{ size: '100%', soak: '0s' }], deadline: '60s' };
      const body = { release: 'grey@1.0.0', target: 'site=test', strategy, onFailure: 'pause' };
      made = (await client.createRollout({ body })).id;
    },
    target: UUID,
    detail: expect.objectContaining({ release: 'grey@1.0.0', target: 'site=test' }),
  },
  retryRollout: {
    act: async ({ client, plane }) => {
      await plane.database.query(`update rollout set state = 'RUNNING' where id = $1`, [made]);
      await client.retryRollout({ params: { id: made }, body: {} });
    },
    target: UUID,
    detail: {},
  },
  actOnRollout: {
    act: ({ client }) => client.actOnRollout({ params: { id: made, action: 'abort' } }),
    target: UUID,
    detail: { action: 'abort' },
  },
  createRound: {
    act: async ({ client }) => {
      made = (await client.createRound({ body: { release: 'grey@1.0.0', target: 'site=test', goal: 1 } })).id;
    },
    target: UUID,
    detail: expect.objectContaining({ release: 'grey@1.0.0', goal: 1 }),
  },
  abandonRound: {
    act: ({ client }) => client.abandonRound({ params: { id: made } }),
    target: UUID,
    detail: {},
  },
  createProbe: {
    act: async ({ client }) => {
      probe = (await client.createProbe({ body: { csr: (await makeKeyRequest()).csr } })).id;
    },
    target: /^probe-[0-9a-f]{12}$/,
    detail: { csr: expect.stringContaining('BEGIN CERTIFICATE REQUEST') },
  },
  removeProbe: { act: ({ client }) => client.removeProbe({ params: { id: probe } }), target: /^probe-/, detail: {} },
  certifyBroker: {
    act: async ({ client }) => {
      const { csr } = await makeKeyRequest();
      await client.certifyBroker({ body: { csr, hosts: ['broker.example'] } });
    },
    target: '',
    detail: { csr: expect.stringContaining('BEGIN CERTIFICATE REQUEST'), hosts: ['broker.example'] },
  },
  logOut: { act: ({ client }) => client.logOut({}), target: UUID, detail: {} },
};
