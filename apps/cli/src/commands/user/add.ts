import { ROLES } from '@aviary/protocol';
import { Flags } from '@oclif/core';
import { readNewPassword } from '../../access/ask-secret.ts';
import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';

export default class UserAdd extends AviaryCommand {
  static override summary = 'Make an account; its password is asked for, or read from standard input';

  static override examples = [
    '<%= config.bin %> user add ada --role operator',
    '<%= config.bin %> user add ada --role operator < password.txt',
  ];

  static override args = { name: nameArg({ description: 'with which somebody logs in', required: true }) };

  static override flags = {
    role: Flags.option({ options: ROLES, description: 'what the account may do', required: true })(),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(UserAdd);
    const { client } = await this.connect(flags);
    const password = await readNewPassword(args.name);
    const account = await client.createAccount({ body: { name: args.name, role: flags.role, password } });
    this.print(account, flags.output, () => `${account.name} (${account.role}) can log in.`);
  }
}
