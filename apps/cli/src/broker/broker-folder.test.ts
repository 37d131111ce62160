import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceTopics, gatewayFilters } from '@aviary/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BROKERS, type BrokerSettings, writeBrokerFolder } from './broker-folder.ts';

const trust = { key: 'KEY', certificate: 'CERT', fleetCa: 'FLEET', gatewayCa: 'GATEWAY', gatewayName: 'the.gateway' };
const settings: BrokerSettings = {
  dir: '/etc/aviary-broker',
  devicePort: '1883',
  gatewayPort: '1884',
  plugin: '/plugins/dynamic.so',
};

let out: string;
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), 'aviary-broker-'));
});
afterEach(() => rm(out, { recursive: true, force: true }));

const text = (name: string) => readFile(join(out, name), 'utf8');

describe('the folder of a broker', () => {
  it.each(BROKERS)('for %s has nothing left to fill in, and its key is for nobody else', async (kind) => {
    const written = await writeBrokerFolder(kind, out, settings, trust);
    for (const name of written) expect(await text(name), name).not.toContain('{{');
    expect((await stat(join(out, 'server.key'))).mode & 0o777).toBe(0o600);
    expect(await text('server.key')).toBe('KEY');
  });

  it('keeps what Mosquitto has written about who was revoked, and renews the rest', async () => {
    await writeBrokerFolder('mosquitto', out, settings, trust);
    await writeFile(join(out, 'dynamic-security.json'), '{"clients":["somebody"]}');
    const written = await writeBrokerFolder('mosquitto', out, settings, { ...trust, certificate: 'NEXT' });
    expect(written).not.toContain('dynamic-security.json');
    expect(await text('dynamic-security.json')).toContain('somebody');
    expect(await text('server.crt')).toBe('NEXT');
  });

  it.each([
    ['mosquitto', 'acl', '%u'],
    ['emqx', 'acl.conf', '$' + '{username}'],
  ] as const)('lets devices of %s do what the protocol says', async (kind, name, own) => {
    await writeBrokerFolder(kind, out, settings, trust);
    const { telemetry, presence, down } = deviceTopics('d-one');
    const list = await text(name);
    for (const topic of [telemetry, presence, down]) expect(list).toContain(topic.replace('d-one', own));
    expect(list).toContain(deviceTopics('d-one').down.replace('d-one', '+'));
    expect(list).toContain('the.gateway');
    expect(gatewayFilters.telemetry).toBe(`$share/aviary/${telemetry.replace('d-one', '+')}`);
  });

  it.each([
    ['mosquitto', undefined, 'listener 1883\n'],
    ['mosquitto', '10.0.0.1', 'listener 1884 10.0.0.1\n'],
    ['emqx', undefined, 'bind = "0.0.0.0:1883"'],
    ['emqx', '::1', 'bind = "[::1]:1884"'],
  ] as const)('lets %s listen at %s', async (kind, listen, words) => {
    await writeBrokerFolder(kind, out, { ...settings, listen }, trust);
    expect(await text(kind === 'emqx' ? 'emqx.conf' : 'mosquitto.conf')).toContain(words);
  });
});
