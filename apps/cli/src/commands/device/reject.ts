import { AviaryCommand } from '../../aviary-command.ts';
import { fingerprintArg } from '../../fingerprint-arg.ts';

export default class DeviceReject extends AviaryCommand {
  static override summary = 'Let a key not join';

  static override description = 'One that waits, or one that was preauthorised or approved and has not joined yet.';

  static override args = { fingerprint: fingerprintArg };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DeviceReject);
    const { client } = await this.connect(flags);
    const key = await client.rejectKey({ params: { fingerprint: args.fingerprint } });
    this.log(`${key.fingerprint}  rejected`);
  }
}
