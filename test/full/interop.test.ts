import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import {
  type ApiError,
  adminRoutes,
  deviceRoutes,
  deviceTopics,
  routeUrl,
  type TelemetryBatch,
} from '@aviary/protocol';
import { releaseStatementSchema, verifyAssignment } from '@aviary/release';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Identity, loadIdentity } from '../../apps/agent/src/identity/identity.ts';
import { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import { runPeer } from '../support/peer.ts';
import { TestFleet, until } from '../support/test-fleet.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let fleet: TestFleet;
/** Its agent is stopped: its certificate is in other hands. */
let stolen: Identity;
let victim: Identity;

beforeAll(async () => {
  fleet = await TestFleet.start();
  await fleet.addDevice('stolen', 'rpi5');
  await fleet.addDevice('victim', 'rpi5');
  await fleet.push({ version: '1.0.0', manner: 'sure' });
  await fleet.ended(await fleet.rollOut('1.0.0'));
  await fleet.agents.get('stolen')?.stop();
  stolen = await loadIdentity(fleet.stateDirectory('stolen'));
  victim = await loadIdentity(fleet.stateDirectory('victim'));
});
afterAll(() => fleet.stop());

const identityFile = (name: string, file: string): string => join(fleet.stateDirectory(name), 'identity', file);

describe('age of Debian', () => {
  /** The sealed file of a device as an ordinary age file, and what was signed about it. */
  const sealedFor = async (identity: Identity) => {
    const api = new DeviceApi(fleet.deviceUrl, identity);
    const answer = await api.call(deviceRoutes.assignment, {});
    const { directors } = await fleet.client.showTrust({});
    const assignment = verifyAssignment(
      answer.assignment,
      directors.map(({ publicKey }) => publicKey),
    );
    const { statement } = await fleet.client.showRelease({ params: { release: assignment.release } });
    const target = releaseStatementSchema.parse(statement).targets.find(({ path }) => path === assignment.targetPath);
    if (target === undefined) throw new Error('the assignment names no target of its release');
    const path = routeUrl(deviceRoutes.blob, { params: { sha256: target.sha256 } });
    const payload: Buffer[] = [];
    for await (const chunk of await api.stream(path, 0, AbortSignal.timeout(10_000))) payload.push(chunk as Buffer);
    api.close();
    return { target, file: Buffer.concat([Buffer.from(assignment.ageHeader, 'base64'), ...payload]) };
  };

  it('opens header ‖ payload with a device key: byte for byte what was pushed', async () => {
    const { target, file } = await sealedFor(victim);
    const sealed = join(fleet.directory, 'sealed.age');
    await writeFile(sealed, file);
    const opened = await runPeer('age', ['-d', '-i', identityFile('victim', 'age.key'), sealed], 'age');
    expect(opened.stderr).toBe('');
    expect(opened.stdout.length).toBe(target.plaintextLength);
    expect(sha256(opened.stdout)).toBe(target.plaintextSha256);

    const folder = join(fleet.directory, 'opened');
    await mkdir(folder);
    await writeFile(join(folder, 'variant.tar'), opened.stdout);
    const untar = await runPeer('tar', ['-xf', join(folder, 'variant.tar'), '-C', folder], 'tar');
    expect(untar).toMatchObject({ code: 0, stderr: '' });
    const pushed = await readFile(join(fleet.directory, 'grey-1.0.0', 'model.onnx'));
    expect((await readFile(join(folder, 'model.onnx'))).equals(pushed)).toBe(true);
  });

  it('opens what a publisher asks for with a key of age-keygen', async () => {
    const key = await runPeer('age-keygen', [], 'age');
    const identity = join(fleet.directory, 'publisher-age.key');
    await writeFile(identity, key.stdout);
    const [recipient = ''] = /age1[a-z0-9]+/.exec(key.stdout.toString()) ?? [];
    const [target] = releaseStatementSchema.parse(
      (await fleet.client.showRelease({ params: { release: 'grey@1.0.0' } })).statement,
    ).targets;
    if (target === undefined) throw new Error('the release has no variant');
    const params = { release: 'grey@1.0.0', variant: target.variant };
    const { ageHeader } = await fleet.client.openVariant({ params, body: { recipient } });
    const token = (await readFile(join(fleet.data, 'admin.token'), 'utf8')).trim();
    const path = routeUrl(adminRoutes.downloadBlob, { params: { sha256: target.sha256 } });
    const answer = await fetch(fleet.server + path, { headers: { authorization: `Bearer ${token}` } });
    const sealed = join(fleet.directory, 'pulled.age');
    await writeFile(sealed, Buffer.concat([Buffer.from(ageHeader, 'base64'), Buffer.from(await answer.arrayBuffer())]));
    const opened = await runPeer('age', ['-d', '-i', identity, sealed], 'age');
    expect(opened.stderr).toBe('');
    expect(sha256(opened.stdout)).toBe(target.plaintextSha256);
    const other = await runPeer('age', ['-d', '-i', identityFile('victim', 'age.key'), sealed], 'age');
    expect(other.code).not.toBe(0);
  });

  it('is served from any byte on, and not beyond its end', async () => {
    const api = new DeviceApi(fleet.deviceUrl, victim);
    try {
      const { target, file } = await sealedFor(victim);
      const path = routeUrl(deviceRoutes.blob, { params: { sha256: target.sha256 } });
      const start = target.length - 1_000;
      const answer = await api.stream(path, start, AbortSignal.timeout(10_000));
      expect(answer.statusCode).toBe(206);
      expect(answer.headers).toMatchObject({
        'content-range': `bytes ${start}-${target.length - 1}/${target.length}`,
        'content-length': '1000',
        etag: `"${target.sha256}"`,
        'content-type': 'application/octet-stream',
      });
      const rest: Buffer[] = [];
      for await (const chunk of answer) rest.push(chunk as Buffer);
      expect(Buffer.concat(rest).equals(file.subarray(-1_000))).toBe(true);
      const beyond = api.stream(path, target.length, AbortSignal.timeout(10_000));
      await expect(beyond).rejects.toMatchObject({ problem: { status: 416 } });
    } finally {
      api.close();
    }
  });

  it("does not open one device's file with the key of another", async () => {
    const sealed = join(fleet.directory, 'sealed.age');
    await writeFile(sealed, (await sealedFor(victim)).file);
    const opened = await runPeer('age', ['-d', '-i', identityFile('stolen', 'age.key'), sealed], 'age');
    expect(opened.code).not.toBe(0);
    expect(opened.stdout.length).toBe(0);
  });
});

describe('openssl', () => {
  const openssl = (...args: string[]) => runPeer('openssl', args, 'openssl');
  const ca = () => identityFile('victim', 'fleet-ca.crt');
  const device = () => identityFile('victim', 'device.pem');
  const verify = (purpose: 'sslclient' | 'sslserver', certificate: string, ...more: string[]) =>
    openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', ca(), ...more, certificate);
  /** The certificate that a listener shows, in a file. */
  const shownAt = async (name: string, port: number): Promise<string> => {
    const shown = await openssl('s_client', '-connect', `127.0.0.1:${port}`, '-tls1_3', '-CAfile', ca());
    expect(shown.stdout.toString()).toContain('Verify return code: 0 (ok)');
    const [pem] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(shown.stdout.toString()) ?? [];
    const path = join(fleet.directory, `${name}.crt`);
    await writeFile(path, pem ?? '');
    return path;
  };
  /** The extensions of a certificate as `openssl x509 -text` shows them, each with the line that follows it. */
  const extensionsOf = async (certificate: string): Promise<Record<string, string>> => {
    const text = (await openssl('x509', '-in', certificate, '-noout', '-text')).stdout.toString();
    const lines = text
      .slice(text.indexOf('X509v3 extensions'))
      .split('\n')
      .map((line) => line.trim());
    return Object.fromEntries(
      lines.flatMap((line, index) => {
        const name = /^X509v3 ([^:]+): ?(critical)?$/.exec(line);
        return name ? [[`${name[1]}${name[2] ? ', critical' : ''}`, lines[index + 1] ?? '']] : [];
      }),
    );
  };
  const devicePort = () => Number(new URL(fleet.deviceUrl).port);

  it('accepts the certificate of a device as that of a client, and not as that of a server', async () => {
    expect(await verify('sslclient', device())).toMatchObject({ code: 0, stderr: '' });
    expect((await verify('sslserver', device())).code).not.toBe(0);
  });

  it.each<[string, () => number]>([
    ['device plane', devicePort],
    ['gateway', () => fleet.mqttPort],
  ])(
    'accepts the certificate of the %s as that of a server at its address, and as nothing else',
    async (name, port) => {
      const certificate = await shownAt(name.replace(' ', '-'), port());
      expect(await verify('sslserver', certificate, '-verify_ip', '127.0.0.1')).toMatchObject({ code: 0, stderr: '' });
      expect((await verify('sslserver', certificate, '-verify_ip', '127.0.0.2')).code).not.toBe(0);
      expect((await verify('sslclient', certificate)).code).not.toBe(0);
      expect(await extensionsOf(certificate)).toMatchObject({
        'Basic Constraints, critical': 'CA:FALSE',
        'Key Usage, critical': 'Digital Signature',
        'Extended Key Usage': 'TLS Web Server Authentication',
        'Subject Alternative Name': expect.stringContaining('IP Address:127.0.0.1'),
      });
    },
  );

  it('finds what a device certificate may do written in it, and who it is', async () => {
    expect(await extensionsOf(device())).toMatchObject({
      'Basic Constraints, critical': 'CA:FALSE',
      'Key Usage, critical': 'Digital Signature',
      'Extended Key Usage': 'TLS Web Client Authentication',
      'Subject Alternative Name': `URI:urn:aviary:device:${victim.deviceId}`,
    });
    const subject = await openssl('x509', '-in', device(), '-noout', '-subject', '-nameopt', 'RFC2253');
    expect(subject.stdout.toString().trim()).toBe(`subject=CN=${victim.deviceId}`);
  });

  it('accepts the fleet CA, which signs certificates and does nothing else', async () => {
    expect(await openssl('verify', '-x509_strict', '-CAfile', ca(), ca())).toMatchObject({ code: 0, stderr: '' });
    expect(await extensionsOf(ca())).toMatchObject({
      'Basic Constraints, critical': 'CA:TRUE, pathlen:0',
      'Key Usage, critical': 'Certificate Sign, CRL Sign',
    });
  });

  it('accepts none of them under another CA', async () => {
    const [key, other] = [join(fleet.directory, 'other-ca.key'), join(fleet.directory, 'other-ca.crt')];
    const made = await openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
      ...['-subj', '/CN=Aviary fleet CA', '-keyout', key, '-out', other],
    );
    expect(made.code).toBe(0);
    const underOther = await openssl('verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', other, device());
    expect(underOther.code).not.toBe(0);
  });

  it('makes a request of its own, with which a certificate is renewed that it accepts', async () => {
    const [key, csr, file] = ['renewed.key', 'renewed.csr', 'renewed.crt'].map((name) => join(fleet.directory, name));
    if (key === undefined || csr === undefined || file === undefined) throw new Error('three names make three paths');
    const made = await runPeer(
      'openssl',
      [
        ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
        ...['-subj', '/CN=somebody-else', '-keyout', key, '-out', csr],
      ],
      'openssl',
    );
    expect(made.code).toBe(0);
    const api = new DeviceApi(fleet.deviceUrl, stolen);
    const { certificate } = await api.call(deviceRoutes.renew, { body: { csr: await readFile(csr, 'utf8') } });
    api.close();
    await writeFile(file, certificate);
    expect(await verify('sslclient', file)).toMatchObject({ code: 0, stderr: '' });
    expect((await verify('sslserver', file)).code).not.toBe(0);
    const shown = await runPeer(
      'openssl',
      ['x509', '-in', file, '-noout', '-subject', '-ext', 'subjectAltName'],
      'openssl',
    );
    expect(shown.stdout.toString()).toMatch(new RegExp(`CN ?= ?${stolen.deviceId}`));
    expect(shown.stdout.toString()).toContain(`URI:urn:aviary:device:${stolen.deviceId}`);
    expect(shown.stdout.toString()).not.toContain('somebody-else');
  });

  it('reads the file in which a device keeps both', async () => {
    const own = identityFile('victim', 'device.pem');
    const [fromKey, fromCertificate] = await Promise.all([
      runPeer('openssl', ['pkey', '-in', own, '-pubout'], 'openssl'),
      runPeer('openssl', ['x509', '-in', own, '-noout', '-pubkey'], 'openssl'),
    ]);
    expect(fromKey).toMatchObject({ code: 0 });
    expect(fromKey.stdout.toString()).toBe(fromCertificate.stdout.toString());
  });
});

describe('mosquitto clients', () => {
  const connection = (cert: string, key: string, clientId: string): string[] => [
    ...['-h', '127.0.0.1', '-p', `${fleet.mqttPort}`, '-V', '311', '-i', clientId],
    ...['--cafile', identityFile('stolen', 'fleet-ca.crt'), '--cert', cert, '--key', key],
  ];
  const asStolen = (clientId = stolen.deviceId): string[] =>
    connection(identityFile('stolen', 'device.pem'), identityFile('stolen', 'device.pem'), clientId);
  const publish = (topic: string, message: object, as = asStolen(), more: string[] = []) =>
    runPeer(
      'mosquitto_pub',
      [...as, '-q', '1', '-t', topic, '-m', JSON.stringify(message), ...more],
      'mosquitto-clients',
    );
  /** Listens for some seconds. @returns what it heard, one line per message */
  const listen = async (filters: string[], seconds: number, as = asStolen()): Promise<string> => {
    const subscriptions = filters.flatMap((filter) => ['-t', filter]);
    const { stdout } = await runPeer(
      'mosquitto_sub',
      [...as, '-v', '-W', `${seconds}`, ...subscriptions],
      'mosquitto-clients',
    );
    return stdout.toString();
  };
  const positionOf = async (deviceId: string): Promise<{ epoch: number; seq: number }> => {
    const [row] = await fleet.query<{ epoch: number; seq: string }>(
      `select epoch, seq from telemetry_position where device_id = '${deviceId}'`,
    );
    return { epoch: row?.epoch ?? 0, seq: Number(row?.seq) };
  };
  const batch = (position: { epoch: number; seq: number }, words: string): TelemetryBatch => ({
    epoch: position.epoch,
    seq: position.seq + 1,
    records: [{ type: 'event', at: Date.now(), level: 'info', code: 'by-hand', message: words }],
  });
  /** The devices in whose stored messages `words` stand. */
  const stored = async (words: string): Promise<string[]> => {
    const messages = await fleet.query<{ device_id: string; payload: Buffer }>(
      'select device_id, payload from telemetry_batch',
    );
    return messages.filter(({ payload }) => inflateSync(payload).includes(words)).map((row) => row.device_id);
  };

  it('stores what a certificate publishes to its own topic', async () => {
    const message = batch(await positionOf(stolen.deviceId), 'words-of-its-own');
    expect(await publish(deviceTopics(stolen.deviceId).telemetry, message)).toMatchObject({ code: 0 });
    expect(await stored('words-of-its-own')).toEqual([stolen.deviceId]);
  });

  it.each<[string, (victimId: string) => string]>([
    ["another device's telemetry", (id) => deviceTopics(id).telemetry],
    ["another device's presence", (id) => deviceTopics(id).presence],
    ["another device's doorbell", (id) => deviceTopics(id).doorbell],
    ["another device's ack", (id) => deviceTopics(id).ack],
    ['$SYS', () => '$SYS/broker/aviary'],
    ['a topic of nobody', () => 'aviary/v1/all'],
  ])('cannot publish to %s', async (name, topic) => {
    const words = `forged-${name.replaceAll(/\W/g, '')}`;
    const before = await fleet.client.showDevice({ params: { id: victim.deviceId } });
    const answer = await publish(topic(victim.deviceId), batch(await positionOf(victim.deviceId), words));
    expect(answer.code).not.toBe(0);
    expect(await stored(words)).toEqual([]);
    const after = await fleet.client.showDevice({ params: { id: victim.deviceId } });
    expect(after.presence).toBe(before.presence);
  });

  it('cannot leave a last will in the name of another device', async () => {
    const will = ['--will-topic', deviceTopics(victim.deviceId).presence, '--will-payload', '{"online":false}'];
    const message = batch(await positionOf(stolen.deviceId), 'with-a-will');
    const answer = await publish(deviceTopics(stolen.deviceId).telemetry, message, asStolen(), will);
    expect(answer.code).not.toBe(0);
    expect(await stored('with-a-will')).toEqual([]);
  });

  it('cannot connect under another name', async () => {
    const message = batch(await positionOf(victim.deviceId), 'other-client-id');
    const answer = await publish(deviceTopics(victim.deviceId).telemetry, message, asStolen(victim.deviceId));
    expect(answer.code).not.toBe(0);
    expect(await stored('other-client-id')).toEqual([]);
  });

  it('hears its own doorbell, and nothing of anybody else under #, +, $SYS or their own topics', async () => {
    const own = deviceTopics(stolen.deviceId);
    const { down, telemetry, presence } = deviceTopics(victim.deviceId);
    const others = ['#', '+/#', 'aviary/#', 'aviary/v1/d/+/up/telemetry', '$SYS/#', down, telemetry, presence];
    const before = await positionOf(victim.deviceId);
    // Before: it takes its time, and the listening has an end.
    await fleet.push({ version: '1.1.0', manner: 'sure' });
    const listening = listen([own.down, ...others], 8);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    // It rings at both devices.
    await fleet.rollOut('1.1.0');
    const heard = (await listening).split('\n').filter((line) => line !== '');
    expect(heard.length).toBeGreaterThan(0);
    expect(heard.filter((line) => !line.startsWith(`${own.doorbell} `))).toEqual([]);
    // There was something to hear all the while.
    expect((await positionOf(victim.deviceId)).seq).toBeGreaterThan(before.seq);
  });

  it('is refused with a certificate of its own making', async () => {
    const key = join(fleet.directory, 'own.key');
    const certificate = join(fleet.directory, 'own.crt');
    const made = await runPeer(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
        ...['-subj', `/CN=${victim.deviceId}`, '-keyout', key, '-out', certificate],
      ],
      'openssl',
    );
    expect(made.code).toBe(0);
    const message = batch(await positionOf(victim.deviceId), 'own-certificate');
    const as = connection(certificate, key, victim.deviceId);
    expect((await publish(deviceTopics(victim.deviceId).telemetry, message, as)).code).not.toBe(0);
    expect(await stored('own-certificate')).toEqual([]);

    const api = new DeviceApi(fleet.deviceUrl, {
      fleetCa: victim.fleetCa,
      key: await readFile(key, 'utf8'),
      certificate: await readFile(certificate, 'utf8'),
    });
    const refusal = (await api.call(deviceRoutes.assignment, {}).catch((error: unknown) => error)) as ApiError;
    api.close();
    expect(refusal.problem).toMatchObject({ status: 401, code: 'certificate-refused' });
  });

  it('has left the other device at work, without a hole in its numbers', async () => {
    await until('the victim running 1.1.0', 30, async () => {
      const device = await fleet.client.showDevice({ params: { id: victim.deviceId } });
      return device.running?.release === 'grey@1.1.0' && device.presence === 'online' ? device : undefined;
    });
    expect(await fleet.holes()).toEqual([]);
  });
});
