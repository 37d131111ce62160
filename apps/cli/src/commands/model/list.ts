import { Flags } from '@oclif/core';
import { AviaryCommand, outputFlag } from '../../aviary-command.ts';
import { everyItem } from '../../connection.ts';
import { renderAge, renderTable } from '../../render/table.ts';

export default class ModelList extends AviaryCommand {
  static override summary = 'Releases of all models, newest first';

  static override flags = { model: Flags.string({ description: 'only this model' }), output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(ModelList);
    const { client } = await this.connect(flags);
    const model = flags.model === undefined ? {} : { model: flags.model };
    const items = await everyItem((cursor) => client.listReleases({ query: { limit: 500, ...model, ...cursor } }));
    const rows = items.map((release) => [
      release.release,
      String(release.releaseCounter),
      release.variants.map(({ id }) => id).join(','),
      release.publisher,
      renderAge(release.publishedAt, Date.now()),
    ]);
    this.print(items, flags.output, () => renderTable(['release', 'counter', 'variants', 'publisher', 'age'], rows));
  }
}
