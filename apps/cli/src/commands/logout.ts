import { forgetContext, readContexts } from '../access/contexts.ts';
import { revokeOwn } from '../access/log-in.ts';
import { AviaryCommand } from '../aviary-command.ts';
import { UsageError } from '../command-line/usage-error.ts';

export default class Logout extends AviaryCommand {
  static override summary = 'Revoke the token of a log-in and forget it; the current one, or that of --context';

  async run(): Promise<void> {
    const { flags } = await this.parse(Logout);
    const name = flags.context ?? (await readContexts()).current;
    if (name === null)
      throw new UsageError('Expected a log-in to end: there is no current one. See: aviary context list');
    const { server, user, token, tokenId, expiresAt } = await forgetContext(name);
    const until = expiresAt === null ? 'it is revoked' : `${new Date(expiresAt).toISOString()}, or it is revoked`;
    if (tokenId === null) {
      this.log(`Forgot ${user} at ${server}. The token was brought along, and works until ${until}.`);
      return;
    }
    try {
      await revokeOwn(server, token, tokenId);
      this.log(`Logged out ${user} at ${server}.`);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      this.logToStderr(`The token could not be revoked, and works until ${until}: ${words}`);
      this.log(`Forgot ${user} at ${server}.`);
    }
  }
}
