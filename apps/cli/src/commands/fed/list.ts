import { AviaryCommand, outputFlag } from '../../aviary-command.ts';
import { everyItem } from '../../connection.ts';
import { renderAge, renderTable } from '../../render/table.ts';

export default class FedList extends AviaryCommand {
  static override summary = 'Federated rounds, newest first';

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(FedList);
    const { client } = await this.connect(flags);
    const items = await everyItem((cursor) => client.listRounds({ query: { limit: 100, ...cursor } }));
    const rows = items.map((round) => [
      round.id.slice(0, 8),
      round.release,
      round.state,
      `${round.updates}/${round.goal}`,
      round.candidate ?? '-',
      renderAge(round.createdAt, Date.now()),
      round.target,
    ]);
    this.print(items, flags.output, () =>
      renderTable(['id', 'release', 'state', 'updates', 'candidate', 'age', 'target'], rows),
    );
  }
}
