import { Command } from '@oclif/core';
import { contextNamed, readContexts } from '../../access/contexts.ts';
import { nameArg, outputFlag } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import { printAs } from '../../render/print-as.ts';

export default class ContextShow extends Command {
  static override summary = 'One log-in, the current one unless named; its token is not shown';

  static override args = { name: nameArg({ description: 'as aviary context list shows it' }) };

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ContextShow);
    const contexts = await readContexts();
    const name = args.name ?? contexts.current;
    if (name === null) throw new UsageError('There is no current context. Make one with: aviary login');
    const { token: _, tokenId: __, ...shown } = contextNamed(contexts, name);
    const until = shown.expiresAt === null ? '' : `, until ${new Date(shown.expiresAt).toISOString()}`;
    this.log(
      printAs(
        { name, ...shown },
        flags.output,
        () => `${name}: ${shown.user} (${shown.role}) at ${shown.server}${until}`,
      ),
    );
  }
}
