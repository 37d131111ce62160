import { ROLES } from '@aviary/protocol';
import { Flags } from '@oclif/core';
import { AviaryCommand, durationFlag, nameArg, outputFlag } from '../../aviary-command.ts';

export default class TokenCreate extends AviaryCommand {
  static override summary = 'Make an API token for a program, and print it alone';

  static override description =
    'The token has your own role or a lesser one. It is shown once; give it to the program as AVIARY_TOKEN, or in the header "Authorization: Bearer …".';

  static override examples = ['<%= config.bin %> token create nightly-report --role viewer --ttl 30d'];

  static override args = { name: nameArg({ description: 'what it is for', required: true }) };

  static override flags = {
    role: Flags.option({ options: ROLES, description: 'what it may do', required: true })(),
    ttl: durationFlag({ description: 'how long it works', default: 90 * 86_400, defaultHelp: async () => '90d' }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TokenCreate);
    const { client } = await this.connect(flags);
    const token = await client.createToken({ body: { name: args.name, role: flags.role, ttlSeconds: flags.ttl } });
    this.logToStderr(
      `"${token.name}" may do what a ${token.role} may, until ${new Date(token.expiresAt).toISOString()}. It is not shown again.`,
    );
    this.print(token, flags.output, () => token.token);
  }
}
