import { AviaryCommand, outputFlag } from '../../aviary-command.ts';
import { renderAge, renderTable } from '../../render/table.ts';

export default class UserList extends AviaryCommand {
  static override summary = 'All accounts';

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(UserList);
    const { client } = await this.connect(flags);
    const { items } = await client.listAccounts({});
    const rows = items.map(({ name, role, disabled, createdAt, lastLoginAt }) => [
      name,
      role,
      disabled ? 'disabled' : 'enabled',
      renderAge(createdAt, Date.now()),
      renderAge(lastLoginAt, Date.now()),
    ]);
    this.print(items, flags.output, () => renderTable(['name', 'role', 'state', 'age', 'last log-in'], rows));
  }
}
