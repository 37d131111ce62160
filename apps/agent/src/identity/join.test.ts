import { createHash, X509Certificate } from 'node:crypto';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { type EnrollRequest, type JoinToken, PROBLEM_CONTENT_TYPE } from '@aviary/protocol';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makePki, type TestPki } from '../testing/fleet-pki.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { loadIdentity } from './identity.ts';
import { joinFleet } from './join.ts';

const makeFolder = temporaryFolders();
const facts = exampleFacts('rpi4');
let pki: TestPki;
const ends: (() => void)[] = [];
beforeAll(async () => {
  pki = await makePki('d-one');
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

const fingerprintOf = (pem: string): string => createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');

/** A control plane that enrols as it is told, what it was asked, and a token for it. */
const controlPlane = async (answer: (body: EnrollRequest) => Promise<unknown> | unknown) => {
  const asked: EnrollRequest[] = [];
  const { key, certificate } = pki.server;
  const server = createHttpsServer({ key, cert: `${certificate}\n${pki.fleetCa}` }, async (request, response) => {
    const body: EnrollRequest = JSON.parse(Buffer.concat(await request.toArray()).toString());
    asked.push(body);
    const said = await answer(body);
    if (typeof said === 'number') {
      const problem = { type: 'about:blank', title: 'No', status: said, code: 'token-used', detail: 'used already' };
      response.writeHead(said, { 'content-type': PROBLEM_CONTENT_TYPE }).end(JSON.stringify(problem));
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
  const token: JoinToken = { secret: 'secret', caFingerprint: fingerprintOf(pki.fleetCa), url };
  return { asked, token };
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
    const { asked, token } = await controlPlane((body) => enrolled(body));
    expect(await joinFleet(folder, token, { name: 'gate 3', facts })).toBe('d-one');
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ secret: 'secret', name: 'gate 3', recipient: expect.stringMatching(/^age1/) });
    expect(JSON.stringify(asked)).not.toMatch(/PRIVATE|AGE-SECRET/);
    const identity = await loadIdentity(folder);
    expect(identity).toMatchObject({
      deviceId: 'd-one',
      epoch: 3,
      deviceUrl: token.url,
      mqttUrl: 'mqtts://127.0.0.1:1',
      root: 'root metadata',
      key: expect.stringMatching(/^-----BEGIN PRIVATE KEY-----/),
      ageIdentity: expect.stringMatching(/^AGE-SECRET-KEY-1/),
    });
    expect(fingerprintOf(identity.fleetCa)).toBe(token.caFingerprint);
    for (const name of await readdir(join(folder, 'identity'))) {
      expect((await stat(join(folder, 'identity', name))).mode & 0o777, name).toBe(0o600);
    }
    await expect(joinFleet(folder, token, { name: undefined, facts })).rejects.toMatchObject({
      code: 'already-joined',
    });
    expect(asked).toHaveLength(1);
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
  it('that is not there says how to join', async () => {
    const folder = await makeFolder();
    await expect(loadIdentity(folder)).rejects.toMatchObject({
      code: 'not-joined',
      message: `This device has not joined a fleet. Join with: aviary-agent join --state-dir ${folder} --token TOKEN`,
    });
  });
});
