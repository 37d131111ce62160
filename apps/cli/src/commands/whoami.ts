import { AviaryCommand, outputFlag } from '../aviary-command.ts';

export default class Whoami extends AviaryCommand {
  static override summary = 'As whom commands speak, with which role, and where';

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(Whoami);
    const { client, baseUrl, from } = await this.connect(flags);
    const { name, role, via, expiresAt } = await client.showSession({});
    const until = expiresAt === null ? '' : `, until ${new Date(expiresAt).toISOString()}`;
    this.print(
      { name, role, via, expiresAt, server: baseUrl, from },
      flags.output,
      () => `${name} (${role}) at ${baseUrl}, by the token from ${from}${until}`,
    );
  }
}
