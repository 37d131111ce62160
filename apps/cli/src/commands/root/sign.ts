import { yesFlag } from '../../aviary-command.ts';
import { fingerprintFlag, keyFlag, rootKeyFlag, rootKeyPathOf } from '../../trust/key-file.ts';
import { SignCommand } from '../../trust/sign-command.ts';

export default class RootSign extends SignCommand {
  static override summary = 'Sign the change of keys that waits, with your root key';

  static override description =
    'Shows what the change is: whose keys it adds and removes, and how many have to sign. It is published once enough holders have signed.';

  static override examples = ['<%= config.bin %> root sign --root-key /media/stick/root.key'];

  static override flags = { ...keyFlag, ...rootKeyFlag, ...fingerprintFlag, ...yesFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(RootSign);
    await this.sign('root', rootKeyPathOf(flags), flags);
  }
}
