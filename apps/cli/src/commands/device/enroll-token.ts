import { Flags } from '@oclif/core';
import { AviaryCommand, durationFlag } from '../../aviary-command.ts';
import { termsFlags, termsOf } from '../../device-terms.ts';

export default class DeviceEnrollToken extends AviaryCommand {
  static override summary = 'Make a token with which one device may join';

  static override description =
    'Prints the token alone on standard output. It works once, for a short time, and carries the fingerprint of the fleet CA, so that the device knows whom it joins. With --device, a device that there is joins again under its own id: after it was revoked, when its certificate is lost, or on another board.';

  static override examples = [
    '<%= config.bin %> device enroll-token --ttl 30m --label site=lyon --profile rpi5',
    '<%= config.bin %> device enroll-token --device d-abc123',
  ];

  static override flags = {
    ttl: durationFlag({ description: 'how long it works', default: 3600, defaultHelp: async () => '1h' }),
    device: Flags.string({ description: 'for this device, to join again' }),
    ...termsFlags,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(DeviceEnrollToken);
    const { device, ttl } = flags;
    const terms = termsOf(flags);
    const { client } = await this.connect(flags);
    const { token, expiresAt } = await client.createJoinToken({
      body: { ttlSeconds: ttl, ...terms, ...(device === undefined ? {} : { deviceId: device }) },
    });
    this.logToStderr(
      `Works once, until ${new Date(expiresAt).toISOString()}. On the device: aviary-agent join --token TOKEN`,
    );
    this.log(token);
  }
}
