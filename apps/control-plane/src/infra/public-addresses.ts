import { isIPv6 } from 'node:net';

const EVERYWHERE = new Set(['0.0.0.0', '::']);

const inUrl = (host: string): string => (isIPv6(host) ? `[${host}]` : host);

/** Under which addresses devices and people reach this control plane. */
export class PublicAddresses {
  readonly deviceUrl: string;
  /** Of the broker, as devices see it. */
  readonly mqttUrl: string;

  /** Of the console and the API, as browsers see it. */
  readonly consoleUrl: string;
  /** Whether browsers come through a proxy, which then tells the client's address and scheme. */
  readonly behindProxy: boolean;

  constructor(config: {
    host: string;
    publicHost: string;
    publicUrl?: string | undefined;
    httpPort: number;
    devicePort: number;
    mqttPort: number;
    publicMqttUrl?: string | undefined;
  }) {
    const host = inUrl(config.publicHost);
    const own = EVERYWHERE.has(config.host) ? config.publicHost : config.host;
    this.consoleUrl = config.publicUrl ?? `http://${inUrl(EVERYWHERE.has(own) ? 'localhost' : own)}:${config.httpPort}`;
    this.behindProxy = config.publicUrl !== undefined;
    this.deviceUrl = `https://${host}:${config.devicePort}`;
    this.mqttUrl = config.publicMqttUrl ?? `mqtts://${host}:${config.mqttPort}`;
  }
}
