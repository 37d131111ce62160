import { AviaryCommand, yesFlag } from '../../aviary-command.ts';
import { fingerprintFlag, keyFlag, readKey, rootKeyFlag, rootKeyPathOf } from '../../trust/key-file.ts';
import { signProposal } from '../../trust/sign-proposal.ts';
import { outcomeInWords } from '../../trust/signed-change.ts';

export default class RootSign extends AviaryCommand {
  static override summary = 'Sign the change of keys that waits, with your root key';

  static override description =
    'Shows what the change is: whose keys it adds and removes, and how many have to sign. It is published once enough holders have signed.';

  static override examples = ['<%= config.bin %> root sign --root-key /media/stick/root.key'];

  static override flags = { ...keyFlag, ...rootKeyFlag, ...fingerprintFlag, ...yesFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(RootSign);
    const keyPath = rootKeyPathOf(flags);
    const outcome = await signProposal(await this.connect(flags), {
      role: 'root',
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
