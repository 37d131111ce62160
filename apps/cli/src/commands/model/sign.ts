import { yesFlag } from '../../aviary-command.ts';
import { fingerprintFlag, keyFlag, keyPathOf } from '../../trust/key-file.ts';
import { SignCommand } from '../../trust/sign-command.ts';

export default class ModelSign extends SignCommand {
  static override summary = 'Sign the change of releases that waits, with your publisher key';

  static override description =
    'Where several publishers have to sign, a push or a revocation waits for the others. This shows what it publishes and revokes, and adds your signature.';

  static override examples = ['<%= config.bin %> model sign'];

  static override flags = { ...keyFlag, ...fingerprintFlag, ...yesFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(ModelSign);
    await this.sign('targets', keyPathOf(flags), flags);
  }
}
