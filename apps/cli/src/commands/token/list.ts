import { AviaryCommand, outputFlag } from '../../aviary-command.ts';
import { renderAge, renderTable } from '../../render/table.ts';

export default class TokenList extends AviaryCommand {
  static override summary = 'Your API tokens; everybody’s for an admin';

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(TokenList);
    const { client } = await this.connect(flags);
    const { items } = await client.listTokens({});
    const rows = items.map(({ id, name, role, account, expiresAt, lastUsedAt }) => [
      id.slice(0, 8),
      name,
      role,
      account ?? '-',
      new Date(expiresAt).toISOString(),
      renderAge(lastUsedAt, Date.now()),
    ]);
    this.print(items, flags.output, () => renderTable(['id', 'name', 'role', 'account', 'until', 'used'], rows));
  }
}
