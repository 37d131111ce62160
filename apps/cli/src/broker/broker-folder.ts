import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MAX_PACKET_BYTES } from '@aviary/protocol';

const TEMPLATES = fileURLToPath(new URL('../../../../deploy', import.meta.url));

export const BROKERS = ['mosquitto', 'emqx'] as const;
export type BrokerKind = (typeof BROKERS)[number];

/** Files of each broker; those that the running broker writes itself are made once. */
const FILES: Record<BrokerKind, readonly { readonly name: string; readonly once?: true }[]> = {
  mosquitto: [{ name: 'mosquitto.conf' }, { name: 'acl' }, { name: 'dynamic-security.json', once: true }],
  emqx: [{ name: 'emqx.conf' }, { name: 'acl.conf' }],
};

/** Where distributions put Mosquitto's plugin. */
const PLUGIN_PLACES = [
  '/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so',
  '/usr/lib/aarch64-linux-gnu/mosquitto_dynamic_security.so',
  '/usr/lib/arm-linux-gnueabihf/mosquitto_dynamic_security.so',
  '/usr/lib64/mosquitto_dynamic_security.so',
  '/usr/lib/mosquitto_dynamic_security.so',
];

/** The first place at which this machine has the plugin; Debian's when it has none. */
export const findPlugin = (): string =>
  PLUGIN_PLACES.find((place) => existsSync(place)) ?? `${PLUGIN_PLACES[process.arch === 'arm64' ? 1 : 0]}`;

export interface BrokerSettings {
  /** Where the folder lies on the broker's machine. */
  readonly dir: string;
  /** Address to listen on; undefined: all. */
  readonly listen?: string | undefined;
  readonly devicePort: string;
  readonly gatewayPort: string;
  /** Mosquitto's dynamic security plugin. */
  readonly plugin: string;
}

export interface BrokerTrust {
  readonly key: string;
  readonly certificate: string;
  readonly fleetCa: string;
  readonly gatewayCa: string;
  readonly gatewayName: string;
}

const listenWords: Record<BrokerKind, (address: string | undefined) => string> = {
  mosquitto: (address) => (address === undefined ? '' : ` ${address}`),
  emqx: (address) => `${address === undefined ? '0.0.0.0' : address.includes(':') ? `[${address}]` : address}:`,
};

/** @throws Error when the template asks for a value that there is not */
const filled = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`The template asks for "${name}", which there is not.`);
    return value;
  });

/**
 * Writes all that a broker needs. Done again, it replaces key, certificate and configuration, and leaves what the
 * broker keeps there.
 * @returns the names of the files
 */
export const writeBrokerFolder = async (
  kind: BrokerKind,
  out: string,
  settings: BrokerSettings,
  trust: BrokerTrust,
): Promise<string[]> => {
  await mkdir(join(out, 'data'), { recursive: true, mode: 0o700 });
  const values = {
    dir: settings.dir,
    devicePort: settings.devicePort,
    gatewayPort: settings.gatewayPort,
    plugin: settings.plugin,
    gatewayName: trust.gatewayName,
    listen: listenWords[kind](settings.listen),
    maxPacketBytes: String(MAX_PACKET_BYTES),
  };
  const written: string[] = [];
  const write = async (name: string, content: string, mode: number): Promise<void> => {
    await writeFile(join(out, name), content, { mode });
    written.push(name);
  };
  for (const { name, once } of FILES[kind]) {
    if (once === true && existsSync(join(out, name))) continue;
    await write(name, filled(await readFile(join(TEMPLATES, kind, name), 'utf8'), values), 0o600);
  }
  await write('server.key', trust.key, 0o600);
  await write('server.crt', trust.certificate, 0o644);
  await write('fleet-ca.crt', trust.fleetCa, 0o644);
  await write('gateway-ca.crt', trust.gatewayCa, 0o644);
  return written;
};
