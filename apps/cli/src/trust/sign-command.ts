import { AviaryCommand, type ConnectionFlags } from '../aviary-command.ts';
import { readKey } from './key-file.ts';
import { type SigningRequest, signProposal } from './sign-proposal.ts';
import { outcomeInWords } from './signed-change.ts';

/** A command with which a holder of a key signs the change that waits for it. */
export abstract class SignCommand extends AviaryCommand {
  /**
   * Shows the change, asks, signs, and says what came of it.
   * @throws UsageError when none waits, Error when the answer is no
   */
  protected async sign(
    role: SigningRequest['role'],
    keyPath: string,
    flags: ConnectionFlags & { readonly 'root-fingerprint'?: string | undefined; readonly yes: boolean },
  ): Promise<void> {
    const outcome = await signProposal(await this.connect(flags), {
      role,
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
