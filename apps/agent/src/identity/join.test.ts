import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { type EnrollRequest, type JoinToken, PROBLEM_CONTENT_TYPE } from '@aviary/protocol';
import { createHeader } from '@aviary/release';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { makePki, type TestPki } from '../testing/fleet-pki.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { Tpm } from '../tpm/tpm.ts';
import { TpmTools } from '../tpm/tpm-tools.ts';
import { loadIdentity, settleIdentity } from './identity.ts';
import { joinFleet } from './join.ts';
import { fingerprintOf as keyFingerprintOf, prepareKeys } from './prepared-keys.ts';

const makeFolder = temporaryFolders();
const facts = exampleFacts('rpi4');
let pki: TestPki;
const ends: (() => void)[] = [];
beforeAll(async () => {
  pki = await makePki('d-one');
});
afterEach(() => {
  vi.restoreAllMocks();
  for (const end of ends.splice(0)) end();
});

const fingerprintOf = (pem: string): string => createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');

/** A control plane that enrols as it is told, what it was asked, and a token for it. */
const controlPlane = async (answer: (body: EnrollRequest) => Promise<unknown> | unknown, of: TestPki = pki) => {
  const asked: EnrollRequest[] = [];
  const nonce = randomBytes(16);
  const { key, certificate } = of.server;
  const server = createHttpsServer({ key, cert: `${certificate}\n${of.fleetCa}` }, async (request, response) => {
    const body: EnrollRequest = JSON.parse(Buffer.concat(await request.toArray()).toString());
    if (request.url?.endsWith('/challenge')) {
      const header = createHeader(nonce, body.recipient).toString('base64');
      const challenge = { header, salt: 'c2FsdA', expiresAt: Date.now() + 60_000 };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(challenge));
      return;
    }
    asked.push(body);
    const said = await answer(body);
    const refusal = typeof said === 'number' ? { status: said, code: 'token-used' } : (said as { status?: number });
    if (refusal.status !== undefined) {
      const problem = { type: 'about:blank', title: 'No', detail: 'used already', ...refusal };
      response.writeHead(refusal.status, { 'content-type': PROBLEM_CONTENT_TYPE }).end(JSON.stringify(problem));
      return;
    }
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(said));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const token: JoinToken = { secret: 'secret', caFingerprint: fingerprintOf(of.fleetCa), url };
  return { asked, token, answer: nonce.toString('base64url') };
};

const enrolled = async ({ csr }: Pick<EnrollRequest, 'csr'>, change: object = {}) => ({
  deviceId: 'd-one',
  epoch: 3,
  certificate: await pki.certify(csr, 'CN=d-one'),
  fleetCa: pki.fleetCa,
  mqttUrl: 'mqtts://127.0.0.1:1',
  root: 'root metadata',
  ...change,
});

const contents = async (folder: string) => (await readdir(folder, { recursive: true })).sort();

describe('joining a fleet', () => {
  it('makes keys that stay here, and keeps who this device is', async () => {
    const folder = await makeFolder();
    const { asked, token, answer } = await controlPlane((body) => enrolled(body));
    expect(await joinFleet(folder, token, { name: 'gate 3', facts, models: ['grey'] })).toBe('d-one');
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ secret: 'secret', name: 'gate 3', recipient: expect.stringMatching(/^age1/) });
    expect(asked[0]?.proof).toMatchObject({ salt: 'c2FsdA', answer });
    expect(asked[0]).not.toHaveProperty('deviceId');
    expect(JSON.stringify(asked)).not.toMatch(/PRIVATE|AGE-SECRET/);
    const identity = await loadIdentity(folder);
    expect(identity).toMatchObject({
      deviceId: 'd-one',
      epoch: 3,
      deviceUrl: token.url,
      mqttUrl: 'mqtts://127.0.0.1:1',
      root: 'root metadata',
      models: ['grey'],
      key: expect.stringMatching(/^-----BEGIN PRIVATE KEY-----/),
      ageIdentity: expect.stringMatching(/^AGE-SECRET-KEY-1/),
    });
    expect(fingerprintOf(identity.fleetCa)).toBe(token.caFingerprint);
    for (const name of await readdir(join(folder, 'identity'))) {
      expect((await stat(join(folder, 'identity', name))).mode & 0o777, name).toBe(0o600);
    }
  });

  it('again is asked as the device that it is; what was sealed to it, it goes on opening', async () => {
    const folder = await makeFolder();
    let epoch = 3;
    const { asked, token } = await controlPlane((body) => enrolled(body, { epoch }));
    await joinFleet(folder, token, { name: undefined, facts, models: ['grey'] });
    const first = await loadIdentity(folder);
    epoch = 4;
    await joinFleet(folder, token, { name: undefined, facts });
    expect(asked[1]).toMatchObject({ deviceId: 'd-one', recipient: asked[0]?.recipient });
    const second = await loadIdentity(folder);
    expect(second).toMatchObject({ epoch: 4, ageIdentity: first.ageIdentity, ageSince: 3, models: ['grey'] });
    expect(second.key).not.toBe(first.key);
    expect(await readdir(folder)).toEqual(['identity']);
    const { secret: _, ...withoutToken } = token;
    await expect(joinFleet(folder, withoutToken, { name: undefined, facts })).rejects.toMatchObject({
      code: 'already-joined',
      message: expect.stringContaining('aviary device enroll-token --device d-one'),
    });
    expect(asked).toHaveLength(2);
  });

  it('that is refused leaves a device what it is', async () => {
    const folder = await makeFolder();
    let answer: unknown;
    const { token } = await controlPlane((body) => answer ?? enrolled(body));
    await joinFleet(folder, token, { name: undefined, facts });
    const before = await loadIdentity(folder);
    answer = 409;
    await expect(joinFleet(folder, token, { name: undefined, facts })).rejects.toMatchObject({ code: 'token-used' });
    expect(await loadIdentity(folder)).toEqual(before);
    expect(await readdir(folder)).toEqual(['identity']);
  });

  it.each(['before the old one was moved', 'between the two moves'])('that was cut %s is finished', async (where) => {
    const folder = await makeFolder();
    let epoch = 3;
    const { token } = await controlPlane((body) => enrolled(body, { epoch }));
    await joinFleet(folder, token, { name: undefined, facts });
    await rename(join(folder, 'identity'), join(folder, 'kept'));
    epoch = 4;
    await joinFleet(folder, token, { name: undefined, facts });
    await rename(join(folder, 'identity'), join(folder, 'identity.next'));
    const old = where === 'between the two moves' ? 'identity.before' : 'identity';
    await rename(join(folder, 'kept'), join(folder, old));
    if (old === 'identity.before') expect(await loadIdentity(folder)).toMatchObject({ epoch: 4 });
    await settleIdentity(folder);
    expect(await loadIdentity(folder)).toMatchObject({ epoch: 4 });
    expect(await readdir(folder)).toEqual(['identity']);
  });

  it('without a token shows its key, and waits until it is let in; the key survives a try that was cut', async () => {
    const folder = await makeFolder();
    const prepared = keyFingerprintOf((await prepareKeys(folder)).key);
    let approved = false;
    const pending = { status: 403, code: 'enrolment-pending' };
    const { asked, token } = await controlPlane((body) => (approved ? enrolled(body) : pending));
    const { secret: _, ...invitation } = token;
    const shown: string[] = [];
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const onPending = (fingerprint: string) => {
      shown.push(fingerprint);
      approved = true;
    };
    expect(await joinFleet(folder, invitation, { name: undefined, facts, onPending })).toBe('d-one');
    expect(shown).toEqual([prepared]);
    expect(asked).toHaveLength(2);
    expect(asked[0]).not.toHaveProperty('secret');
    expect(keyFingerprintOf((await loadIdentity(folder)).key)).toBe(prepared);
    expect(await readdir(folder)).toEqual(['identity']);
  });

  it('without a token ends when it is rejected, and keeps the key', async () => {
    const folder = await makeFolder();
    const { token } = await controlPlane(() => ({ status: 403, code: 'enrolment-rejected' }));
    const { secret: _, ...invitation } = token;
    await expect(joinFleet(folder, invitation, { name: undefined, facts })).rejects.toMatchObject({
      code: 'enrolment-rejected',
    });
    expect(await contents(folder)).toEqual(['joining', 'joining/age.key', 'joining/device.key']);
  });

  it('succeeds with a clock that wakes before the fleet’s CA was made', async () => {
    const future = { from: Date.now() + 1e9, to: Date.now() + 1e11 };
    const later = await makePki('d-one', future);
    const { token } = await controlPlane(
      async (body) =>
        enrolled(body, { certificate: await later.certify(body.csr, 'CN=d-one'), fleetCa: later.fleetCa }),
      later,
    );
    expect(await joinFleet(await makeFolder(), token, { name: undefined, facts })).toBe('d-one');
  });

  it('tells its secret to nobody whose CA is not the one of the token', async () => {
    const folder = await makeFolder();
    const { asked, token } = await controlPlane((body) => enrolled(body));
    const other = { ...token, caFingerprint: '0'.repeat(64) };
    await expect(joinFleet(folder, other, { name: undefined, facts })).rejects.toMatchObject({
      code: 'server-not-trusted',
      message: expect.stringContaining('Do not join'),
    });
    expect(asked).toEqual([]);
    expect(await contents(folder)).toEqual([]);
  });

  it.each<[string, (body: EnrollRequest) => Promise<unknown>, string]>([
    ['a certificate for another key', (body) => enrolled(body, { certificate: pki.device.certificate }), 'another key'],
    [
      'a certificate of another CA',
      async (body) => enrolled(body, { certificate: await (await makePki('x')).certify(body.csr, 'CN=d-one') }),
      'not signed by the fleet CA',
    ],
    [
      'a certificate with another name',
      async (body) => enrolled(body, { certificate: await pki.certify(body.csr, 'CN=d-two') }),
      'names CN=d-two instead of d-one',
    ],
    ['no certificate', (body) => enrolled(body, { certificate: 'none' }), 'cannot be read'],
    [
      'a gateway without TLS',
      (body) => enrolled(body, { mqttUrl: 'mqtt://127.0.0.1:1' }),
      'expected an mqtts:// address',
    ],
  ])('refuses %s, and leaves nothing behind', async (_, answer, words) => {
    const folder = await makeFolder();
    const { token } = await controlPlane(answer);
    await expect(joinFleet(folder, token, { name: undefined, facts })).rejects.toMatchObject({
      code: 'answer-refused',
      message: expect.stringContaining(words),
    });
    expect(await contents(folder)).toEqual([]);
  });

  it('says why a token is not taken, and leaves nothing behind', async () => {
    const folder = await makeFolder();
    const { token } = await controlPlane(() => 403);
    await expect(joinFleet(folder, token, { name: undefined, facts })).rejects.toMatchObject({
      code: 'token-used',
      message: 'used already',
    });
    expect(await contents(folder)).toEqual([]);
  });

  it('with keys that are to be sealed costs no token where there is no TPM', async () => {
    const folder = await makeFolder();
    const { asked, token } = await controlPlane((body) => enrolled(body));
    const tpm = new Tpm(new TpmTools(`device:${join(folder, 'tpmrm0')}`));
    const options = { name: undefined, facts, tpm, sealing: { pcrs: null } };
    await expect(joinFleet(folder, token, options)).rejects.toMatchObject({ code: 'tpm-unavailable' });
    expect(asked).toEqual([]);
    expect(await contents(folder)).toEqual([]);
    // A device stays what it is, too.
    await joinFleet(folder, token, { name: undefined, facts });
    const before = await loadIdentity(folder);
    await expect(joinFleet(folder, token, options)).rejects.toMatchObject({ code: 'tpm-unavailable' });
    expect(await loadIdentity(folder)).toEqual(before);
    expect(asked).toHaveLength(1);
  });

  it('removes what a try that was cut has left', async () => {
    const folder = await makeFolder();
    await mkdir(join(folder, 'identity.12345'));
    const { token } = await controlPlane((body) => enrolled(body));
    await joinFleet(folder, token, { name: undefined, facts });
    expect(await readdir(folder)).toEqual(['identity']);
  });

  it('says that nobody answers, or something that is no control plane', async () => {
    const plain = createServer((socket) => {
      socket.on('error', () => {});
      socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as AddressInfo;
    const token: JoinToken = { secret: 's', caFingerprint: '0'.repeat(64), url: `https://127.0.0.1:${port}` };
    const joining = () => makeFolder().then((folder) => joinFleet(folder, token, { name: undefined, facts }));
    const expected = { code: 'server-unreachable', message: expect.stringContaining('Check the address') };
    await expect(joining()).rejects.toMatchObject(expected);
    await new Promise((resolve) => plain.close(resolve));
    await expect(joining()).rejects.toMatchObject(expected);
  });
});

describe('an identity', () => {
  it('that has settled is the only place with keys', async () => {
    const folder = await makeFolder();
    for (const name of ['identity.before', 'identity.77', 'joining', 'joining.new', 'releases']) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'device.pem'), 'key');
    }
    await settleIdentity(folder);
    // No identity came of it: the board may still join with its prepared key.
    expect((await readdir(folder)).sort()).toEqual(['identity.before', 'joining', 'joining.new', 'releases']);
    await mkdir(join(folder, 'identity'));
    await settleIdentity(folder);
    expect((await readdir(folder)).sort()).toEqual(['identity', 'releases']);
  });

  it('that is not there says how to join', async () => {
    const folder = await makeFolder();
    await expect(loadIdentity(folder)).rejects.toMatchObject({
      code: 'not-joined',
      message: `This device has not joined a fleet. Join with: aviary-agent join --state-dir ${folder} --token TOKEN`,
    });
  });
});
