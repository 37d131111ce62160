import { ROLES } from '@aviary/protocol';
import { Flags } from '@oclif/core';
import { readNewPassword } from '../../access/ask-secret.ts';
import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';

export default class UserChange extends AviaryCommand {
  static override summary = 'Change the role of an account, set its password, or disable it; its sessions end';

  static override examples = [
    '<%= config.bin %> user change ada --role publisher',
    '<%= config.bin %> user change ada --disable',
    '<%= config.bin %> user change ada --password',
  ];

  static override args = { name: nameArg({ description: 'of the account', required: true }) };

  static override flags = {
    role: Flags.option({ options: ROLES, description: 'what the account may do' })(),
    disable: Flags.boolean({ description: 'nobody can use it any more', exclusive: ['enable'] }),
    enable: Flags.boolean({ description: 'it can be used again' }),
    password: Flags.boolean({ description: 'ask for a new password, or read it from standard input' }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(UserChange);
    const { role, disable, enable } = flags;
    if (role === undefined && !disable && !enable && !flags.password) {
      throw new UsageError('Expected something to change: --role, --disable, --enable or --password.');
    }
    const { client } = await this.connect(flags);
    const { items } = await client.listAccounts({});
    const account = items.find(({ name }) => name === args.name);
    if (account === undefined) throw new Error(`There is no account "${args.name}". List them with: aviary user list`);
    const body = {
      ...(role === undefined ? {} : { role }),
      ...(disable || enable ? { disabled: !enable } : {}),
      ...(flags.password ? { password: await readNewPassword(args.name) } : {}),
    };
    const changed = await client.changeAccount({ params: { id: account.id }, body });
    this.print(changed, flags.output, () => `${changed.name} (${changed.role})${changed.disabled ? ', disabled' : ''}`);
  }
}
