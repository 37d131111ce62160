import { Flags } from '@oclif/core';
import { AviaryCommand, durationFlag } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';

export default class DeviceEnrollToken extends AviaryCommand {
  static override summary = 'Make a token with which one device may join';

  static override description =
    'Prints the token alone on standard output. It works once, for a short time, and carries the fingerprint of the fleet CA, so that the device knows whom it joins.';

  static override examples = ['<%= config.bin %> device enroll-token --ttl 30m --label site=lyon'];

  static override flags = {
    ttl: durationFlag({ description: 'how long it works', default: 3600, defaultHelp: async () => '1h' }),
    label: Flags.string({
      char: 'l',
      description: 'a label that the device gets, key=value',
      multiple: true,
      default: [],
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(DeviceEnrollToken);
    const labels = Object.fromEntries(
      flags.label.map((label) => {
        const at = label.indexOf('=');
        if (at <= 0) throw new UsageError(`Expected key=value for --label, got "${label}".`);
        return [label.slice(0, at), label.slice(at + 1)];
      }),
    );
    const { client } = await this.connect(flags);
    const { token, expiresAt } = await client.createJoinToken({ body: { ttlSeconds: flags.ttl, labels } });
    this.logToStderr(
      `Works once, until ${new Date(expiresAt).toISOString()}. On the device: aviary-agent join --token TOKEN`,
    );
    this.log(token);
  }
}
