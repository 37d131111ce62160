import { AviaryCommand } from '../../aviary-command.ts';
import { FleetRepository } from '../../trust/fleet-repository.ts';
import { keyFlag, keyPathOf, readKey, rootKeyFlag, rootKeyPathOf } from '../../trust/key-file.ts';
import { outcomeInWords, sendChange } from '../../trust/signed-change.ts';

export default class RootRenew extends AviaryCommand {
  static override summary = 'Sign root and targets anew, before they expire';

  static override description =
    'Both count for a year. Once they have expired, devices go on with what they run and take nothing new. Every push renews the targets; the root only changes when keys do.';

  static override examples = ['<%= config.bin %> root renew'];

  static override flags = { ...keyFlag, ...rootKeyFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(RootRenew);
    const rootKeyPath = rootKeyPathOf(flags);
    const connection = await this.connect(flags);
    const repository = await FleetRepository.open(connection, { keyPath: rootKeyPath });
    const [rootSigner, targetsSigner] = [await readKey(rootKeyPath), await readKey(keyPathOf(flags))];
    repository.expectKey('root', rootSigner.keyId);
    repository.expectKey('targets', targetsSigner.keyId);
    const outcome = await sendChange(connection, repository, {
      root: { roles: repository.root.roles, signers: [rootSigner] },
      targets: { edit: () => undefined, signers: [targetsSigner] },
    });
    this.log(outcomeInWords(outcome));
  }
}
