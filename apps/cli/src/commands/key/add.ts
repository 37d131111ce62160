import { keyId } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand, nameArg } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import { FleetRepository } from '../../trust/fleet-repository.ts';
import { keyFlag, readKey, readPublicKey, rootKeyFlag, rootKeyPathOf } from '../../trust/key-file.ts';
import { outcomeInWords, sendChange } from '../../trust/signed-change.ts';

export default class KeyAdd extends AviaryCommand {
  static override summary = 'Let another key count: a publisher’s, or a root key';

  static override examples = [
    '<%= config.bin %> key add ana.pub --name ana',
    '<%= config.bin %> key add ben-root.pub --name ben --role root --threshold 2',
  ];

  static override args = { file: nameArg({ description: 'public half of the key', required: true }) };

  static override flags = {
    ...keyFlag,
    ...rootKeyFlag,
    name: Flags.string({ description: 'what people call whoever holds it', required: true }),
    role: Flags.option({
      options: ['targets', 'root'] as const,
      default: 'targets' as const,
      description: 'what it counts for',
    })(),
    threshold: Flags.integer({ description: 'how many keys of the role have to sign from now on', min: 1 }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KeyAdd);
    const publicKey = await readPublicKey(args.file);
    const connection = await this.connect(flags);
    const rootKeyPath = rootKeyPathOf(flags);
    const repository = await FleetRepository.open(connection, { keyPath: rootKeyPath });
    const { roles } = repository.root;
    const { role } = flags;
    if (roles[role].keys.some((key) => keyId(key.publicKey) === keyId(publicKey))) {
      throw new UsageError(`This key counts for ${role} already.`);
    }
    const signer = await readKey(rootKeyPath);
    repository.expectKey('root', signer.keyId);
    const keys = [...roles[role].keys, { name: flags.name, publicKey }];
    const changed = { threshold: flags.threshold ?? roles[role].threshold, keys };
    const outcome = await sendChange(connection, repository, {
      root: { roles: { ...roles, [role]: changed }, signers: [signer] },
    });
    this.logToStderr(outcomeInWords(outcome));
    this.log(keyId(publicKey));
  }
}
