import { Command } from '@oclif/core';
import { readContexts } from '../../access/contexts.ts';
import { outputFlag } from '../../aviary-command.ts';
import { printAs } from '../../render/print-as.ts';
import { renderTable } from '../../render/table.ts';

export default class ContextList extends Command {
  static override summary = 'Log-ins that are kept here; the current one has a star';

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(ContextList);
    const { current, byName } = await readContexts();
    const items = [...byName]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { server, user, role, expiresAt }]) => ({
        name,
        current: name === current,
        server,
        user,
        role,
        expiresAt,
      }));
    const rows = items.map(({ name, current: isCurrent, server, user, role, expiresAt }) => [
      isCurrent ? '*' : '',
      name,
      server,
      user,
      role,
      expiresAt === null ? '-' : new Date(expiresAt).toISOString(),
    ]);
    this.log(printAs(items, flags.output, () => renderTable(['', 'name', 'server', 'user', 'role', 'until'], rows)));
  }
}
