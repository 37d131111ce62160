/** Under which addresses devices reach this control plane. */
export class PublicAddresses {
  readonly deviceUrl: string;
  readonly mqttUrl: string;

  constructor(config: { publicHost: string; devicePort: number; mqttPort: number }) {
    this.deviceUrl = `https://${config.publicHost}:${config.devicePort}`;
    this.mqttUrl = `mqtts://${config.publicHost}:${config.mqttPort}`;
  }
}
