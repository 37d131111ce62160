import { AviaryCommand, nameArg, yesFlag } from '../../aviary-command.ts';
import { findRound } from '../../find-round.ts';

export default class FedAbandon extends AviaryCommand {
  static override summary = 'End a federated round without a result; what devices keep stays with them';

  static override args = {
    round: nameArg({ description: 'its id, the beginning of it, or "last"', required: true }),
  };

  static override flags = yesFlag;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(FedAbandon);
    await this.confirm('This ends the round, and what its devices sent is not used. Go on?', flags.yes);
    const { client } = await this.connect(flags);
    const round = await client.abandonRound({ params: { id: await findRound(client, args.round) } });
    this.log(`${round.id}  ${round.state}${round.reason === null ? '' : `: ${round.reason}`}`);
  }
}
