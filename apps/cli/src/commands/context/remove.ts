import { Command } from '@oclif/core';
import { forgetContext } from '../../access/contexts.ts';
import { nameArg } from '../../aviary-command.ts';

export default class ContextRemove extends Command {
  static override summary = 'Forget a log-in without asking anybody; its token goes on working (see aviary logout)';

  static override args = { name: nameArg({ description: 'as aviary context list shows it', required: true }) };

  async run(): Promise<void> {
    const { args } = await this.parse(ContextRemove);
    const { server, user, tokenId, expiresAt } = await forgetContext(args.name);
    this.log(`Forgot ${user} at ${server}.`);
    if (tokenId === null || (expiresAt !== null && expiresAt < Date.now())) return;
    this.logToStderr(`Its token goes on working. To end it: aviary token revoke ${tokenId}`);
  }
}
