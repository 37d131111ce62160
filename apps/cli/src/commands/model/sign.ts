import { AviaryCommand, yesFlag } from '../../aviary-command.ts';
import { fingerprintFlag, keyFlag, keyPathOf, readKey } from '../../trust/key-file.ts';
import { signProposal } from '../../trust/sign-proposal.ts';
import { outcomeInWords } from '../../trust/signed-change.ts';

export default class ModelSign extends AviaryCommand {
  static override summary = 'Sign the change of releases that waits, with your publisher key';

  static override description =
    'Where several publishers have to sign, a push or a revocation waits for the others. This shows what it publishes and revokes, and adds your signature.';

  static override examples = ['<%= config.bin %> model sign'];

  static override flags = { ...keyFlag, ...fingerprintFlag, ...yesFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(ModelSign);
    const keyPath = keyPathOf(flags);
    const outcome = await signProposal(await this.connect(flags), {
      role: 'targets',
      keyPath,
      readSigner: () => readKey(keyPath),
      rootFingerprint: flags['root-fingerprint'],
      confirm: async (lines) => {
        for (const line of lines) this.logToStderr(line);
        await this.confirm('Sign this?', flags.yes);
      },
    });
    this.log(outcomeInWords(outcome));
  }
}
