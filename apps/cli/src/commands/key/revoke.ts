import { DIRECTOR_TARGET, keyId, type Signer } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand, nameArg, yesFlag } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import { FleetRepository } from '../../trust/fleet-repository.ts';
import { directorsOf, findKey, withKey } from '../../trust/key-change.ts';
import { keyFlag, keyPathOf, readKey, rootKeyFlag, rootKeyPathOf } from '../../trust/key-file.ts';
import { outcomeInWords, sendChange } from '../../trust/signed-change.ts';

export default class KeyRevoke extends AviaryCommand {
  static override summary = 'Let a key count no more';

  static override description =
    'Devices know it with their next look. What the key has signed is looked at by whoever signs now: releases that are published stay, under the keys that are left; revoke those that should not (aviary model revoke).';

  static override examples = ['<%= config.bin %> key revoke 3fa92b17 --role targets'];

  static override args = { key: nameArg({ description: 'its id, or the beginning of it', required: true }) };

  static override flags = {
    ...keyFlag,
    ...rootKeyFlag,
    role: Flags.option({
      options: ['targets', 'root', 'director'] as const,
      required: true,
      description: 'what it counts for',
    })(),
    ...yesFlag,
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KeyRevoke);
    const { role } = flags;
    const [keyPath, rootKeyPath] = [keyPathOf(flags), rootKeyPathOf(flags)];
    const connection = await this.connect(flags);
    const repository = await FleetRepository.open(connection, { keyPath: role === 'director' ? keyPath : rootKeyPath });
    const { roles } = repository.root;
    const keys = role === 'director' ? await directorsOf(repository) : roles[role].keys;
    const old = findKey(keys, args.key);
    await this.confirm(
      `Let the ${role} key of ${old.name} (${keyId(old.publicKey).slice(0, 16)}) count no more?`,
      flags.yes,
    );
    if (role === 'director') {
      const left = keys.filter((key) => key !== old);
      if (left.length === 0)
        throw new UsageError(
          'Nobody could assign anything then. Put a new key in its place: aviary key rotate --role director',
        );
      const signers = [await this.signer(repository, 'targets', keyPath)];
      const targets = { edit: () => undefined, signers, fleet: { [DIRECTOR_TARGET]: { keys: [...left] } } };
      return this.log(outcomeInWords(await sendChange(connection, repository, { targets })));
    }
    const changed = withKey(roles, role, old, undefined);
    const root = { roles: changed, signers: [await this.signer(repository, 'root', rootKeyPath)] };
    if (role === 'root') return this.log(outcomeInWords(await sendChange(connection, repository, { root })));
    const signer = await this.signer(repository, 'targets', keyPath);
    if (signer.keyId === keyId(old.publicKey)) {
      throw new UsageError(
        `${keyPath} is the key that is to be revoked; what stays published is signed with one that is left: give it with --key.`,
      );
    }
    const targets = { edit: () => undefined, signers: [signer] };
    this.log(outcomeInWords(await sendChange(connection, repository, { root, targets })));
  }

  private async signer(repository: FleetRepository, role: 'root' | 'targets', path: string): Promise<Signer> {
    const signer = await readKey(path);
    repository.expectKey(role, signer.keyId);
    return signer;
  }
}
