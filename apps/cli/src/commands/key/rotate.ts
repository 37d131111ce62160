import { DIRECTOR_TARGET, type NamedKey, signerOf } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import { FleetRepository } from '../../trust/fleet-repository.ts';
import { findKey, KEY_ROLES, withKey } from '../../trust/key-change.ts';
import {
  createKey,
  keyFlag,
  keyPathOf,
  newPassphrase,
  readKey,
  refuseExisting,
  rootKeyFlag,
  rootKeyPathOf,
} from '../../trust/key-file.ts';
import { type Change, outcomeInWords, sendChange } from '../../trust/signed-change.ts';

export default class KeyRotate extends AviaryCommand {
  static override summary = 'Put a new key in the place of an old one';

  static override description =
    'A key of yours (targets, root) is made here and written to --new-key; a key of the control plane (snapshot, timestamp, director) is made there. Devices follow by themselves: the new root is signed with the old root key too. Releases that are published stay, signed anew.';

  static override examples = [
    '<%= config.bin %> key rotate --role targets --new-key ./publisher-2027.key',
    '<%= config.bin %> key rotate --role director',
  ];

  static override flags = {
    ...keyFlag,
    ...rootKeyFlag,
    role: Flags.option({ options: KEY_ROLES, required: true, description: 'which key' })(),
    'new-key': Flags.string({ description: 'file for the new key, of targets and root' }),
    passphrase: Flags.boolean({ description: 'protect the new key with a passphrase', default: true, allowNo: true }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(KeyRotate);
    const { role } = flags;
    const isOurs = role === 'targets' || role === 'root';
    const newKeyPath = flags['new-key'];
    if (isOurs && newKeyPath === undefined) throw new UsageError(`Expected --new-key FILE for the new key of ${role}.`);
    if (!isOurs && newKeyPath !== undefined) {
      throw new UsageError(`The key of ${role} is made by the control plane: leave --new-key out.`);
    }
    const [keyPath, rootKeyPath] = [keyPathOf(flags), rootKeyPathOf(flags)];
    const connection = await this.connect(flags);
    const usedPath = role === 'director' ? keyPath : rootKeyPath;
    const repository = await FleetRepository.open(connection, { keyPath: usedPath });
    const { roles } = repository.root;

    if (role === 'director') {
      const signer = await readKey(keyPath);
      repository.expectKey('targets', signer.keyId);
      const made = await connection.client.makeOnlineKey({ body: { role } });
      const keys = [{ name: 'control plane', publicKey: made.publicKey }];
      const change: Change = {
        targets: { edit: () => undefined, signers: [signer], fleet: { [DIRECTOR_TARGET]: { keys } } },
      };
      this.logToStderr(outcomeInWords(await sendChange(connection, repository, change)));
      return this.log(made.keyId);
    }

    const rootSigner = await readKey(rootKeyPath);
    repository.expectKey('root', rootSigner.keyId);
    if (!isOurs) {
      const made = await connection.client.makeOnlineKey({ body: { role } });
      const keys = [{ name: 'control plane', publicKey: made.publicKey }];
      const change: Change = { root: { roles: { ...roles, [role]: { threshold: 1, keys } }, signers: [rootSigner] } };
      this.logToStderr(outcomeInWords(await sendChange(connection, repository, change)));
      return this.log(made.keyId);
    }

    const oldSigner = role === 'root' ? rootSigner : await readKey(keyPath);
    repository.expectKey(role, oldSigner.keyId);
    const old = findKey(roles[role].keys, oldSigner.keyId);
    await refuseExisting(newKeyPath ?? '');
    const newSigner = signerOf(await createKey(newKeyPath ?? '', await newPassphrase(flags.passphrase)));
    const next: NamedKey = { name: old.name, publicKey: newSigner.publicKeyPem };
    const root = {
      roles: withKey(roles, role, old, next),
      signers: role === 'root' ? [rootSigner, newSigner] : [rootSigner],
    };
    const targets = { edit: () => undefined, signers: [newSigner] };
    const outcome = await sendChange(connection, repository, role === 'root' ? { root } : { root, targets });
    await repository.keepFor(newKeyPath ?? '');
    this.logToStderr(`The new key is in ${newKeyPath}. ${outcomeInWords(outcome)}`);
    this.log(newSigner.keyId);
  }
}
