import { AviaryCommand, outputFlag } from '../../aviary-command.ts';
import { everyItem } from '../../connection.ts';
import { renderAge, renderTable } from '../../render/table.ts';

export default class RolloutList extends AviaryCommand {
  static override summary = 'Rollouts, newest first';

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(RolloutList);
    const { client } = await this.connect(flags);
    const items = await everyItem((cursor) => client.listRollouts({ query: { limit: 100, ...cursor } }));
    const rows = items.map((rollout) => [
      rollout.id.slice(0, 8),
      rollout.release,
      rollout.state,
      rollout.waves.map(({ state }) => state.toLowerCase()).join(' '),
      renderAge(rollout.createdAt, Date.now()),
      rollout.target,
    ]);
    this.print(items, flags.output, () => renderTable(['id', 'release', 'state', 'waves', 'age', 'target'], rows));
  }
}
