import { AviaryCommand } from '../../aviary-command.ts';
import { nameFlag, termsFlags, termsOf } from '../../device-terms.ts';
import { fingerprintArg } from '../../fingerprint-arg.ts';

export default class DeviceApprove extends AviaryCommand {
  static override summary = 'Let a board that waits join';

  static override description =
    'Needs the whole fingerprint, as the board shows it: who only compares the beginning approves whoever has made a key that begins like it.';

  static override args = { fingerprint: fingerprintArg };

  static override flags = { ...nameFlag, ...termsFlags };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DeviceApprove);
    const { client } = await this.connect(flags);
    const key = await client.approveKey({ params: { fingerprint: args.fingerprint }, body: termsOf(flags) });
    this.log(`${key.fingerprint}  may join`);
  }
}
