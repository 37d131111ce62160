import { AviaryCommand, outputFlag } from '../../aviary-command.ts';
import { renderAge, renderTable } from '../../render/table.ts';

export default class KeyList extends AviaryCommand {
  static override summary = 'Who may sign releases';

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(KeyList);
    const { client } = await this.connect(flags);
    const { items } = await client.listPublishers({});
    const rows = items.map(({ name, keyId, createdAt }) => [name, keyId, renderAge(createdAt, Date.now())]);
    this.print(items, flags.output, () => renderTable(['name', 'key', 'age'], rows));
  }
}
