import { isIPv6 } from 'node:net';

/** Under which addresses devices reach this control plane. */
export class PublicAddresses {
  readonly deviceUrl: string;
  readonly mqttUrl: string;

  constructor(config: { publicHost: string; devicePort: number; mqttPort: number }) {
    const host = isIPv6(config.publicHost) ? `[${config.publicHost}]` : config.publicHost;
    this.deviceUrl = `https://${host}:${config.devicePort}`;
    this.mqttUrl = `mqtts://${host}:${config.mqttPort}`;
  }
}
