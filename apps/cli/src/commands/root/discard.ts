import { AviaryCommand, yesFlag } from '../../aviary-command.ts';

export default class RootDiscard extends AviaryCommand {
  static override summary = 'Forget the change that waits for signatures';

  static override flags = { ...yesFlag };

  async run(): Promise<void> {
    const { flags } = await this.parse(RootDiscard);
    const { client } = await this.connect(flags);
    await this.confirm('Forget the change that waits, and the signatures that it has?', flags.yes);
    await client.discardProposal({});
    this.log('It is forgotten.');
  }
}
