import { ROLES } from '@aviary/protocol';
import { Flags } from '@oclif/core';
import { askVisible, isTerminal, readPassword, readSecretLine } from '../access/ask-secret.ts';
import { type Context, keepContext, readContexts } from '../access/contexts.ts';
import { DEFAULT_SERVER, serverAddress } from '../access/credentials.ts';
import { logIn, needsSetUp, revokeOwn, whoIs } from '../access/log-in.ts';
import { AviaryCommand, durationFlag } from '../aviary-command.ts';
import { UsageError } from '../command-line/usage-error.ts';

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export default class Login extends AviaryCommand {
  static override summary = 'Log in at a control plane; later commands then speak with its account';

  static override description =
    'Asks for the password, or reads it from standard input, and exchanges it for an API token with the role of the account. The token is kept in ~/.config/aviary/contexts.json (mode 0600), the password nowhere.';

  static override examples = [
    '<%= config.bin %> login --server https://fleet.example --user ada',
    '<%= config.bin %> login --server https://fleet.example --context fleet --token-stdin < token.txt',
  ];

  static override flags = {
    user: Flags.string({ description: 'name of the account' }),
    ttl: durationFlag({
      description: 'how long the token works',
      default: 90 * 86_400,
      defaultHelp: async () => '90d',
    }),
    'token-stdin': Flags.boolean({
      description: 'take an API token from standard input, and no password',
      exclusive: ['user', 'ttl'],
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Login);
    if (flags['token-file'] !== undefined) {
      throw new UsageError('Expected a token on standard input with --token-stdin, got --token-file.');
    }
    const { byName } = await readContexts();
    const known = flags.context === undefined ? undefined : byName.get(flags.context);
    const server = serverAddress(flags.server ?? known?.server ?? process.env.AVIARY_SERVER ?? DEFAULT_SERVER);
    const { hostname, host, protocol } = new URL(server);
    if (protocol === 'http:' && !LOOPBACK.test(hostname)) {
      this.logToStderr(`${server} is not encrypted: whoever is on the way can read the password and the token.`);
    }
    const name = flags.context ?? host;
    const context = flags['token-stdin']
      ? await this.#withToken(server)
      : await this.#withPassword(
          server,
          flags.user ?? (byName.get(name)?.server === server ? known?.user : undefined),
          flags.ttl,
        );
    await keepContext(name, context);
    const until = context.expiresAt === null ? '' : `, until ${new Date(context.expiresAt).toISOString()}`;
    this.log(`Logged in at ${server} as ${context.user} (${context.role})${until}. This is the context "${name}".`);
    await this.#dropBefore(byName.get(name), context);
  }

  async #withPassword(server: string, user: string | undefined, ttlSeconds: number): Promise<Context> {
    if (await needsSetUp(server)) {
      throw new Error(
        `${server} has no account yet. Make the first one in a browser at that address, with the code that "aviary up" showed, or where its admin.token is: aviary user add NAME --role ${ROLES.at(-1)}`,
      );
    }
    if (user === undefined && !isTerminal())
      throw new UsageError('Expected --user NAME: there is no terminal to ask at.');
    const name = user ?? (await askVisible('User: '));
    const password = await readPassword(`Password of ${name} at ${server}: `);
    const { name: account, token } = await logIn(server, name, password, ttlSeconds);
    return {
      server,
      user: account,
      role: token.role,
      token: token.token,
      tokenId: token.id,
      expiresAt: token.expiresAt,
    };
  }

  async #withToken(server: string): Promise<Context> {
    const token = await readSecretLine('an API token');
    const { name, role, expiresAt } = await whoIs(server, token);
    return { server, user: name, role, token, tokenId: null, expiresAt };
  }

  /** A token that nobody finds any more should not go on working. */
  async #dropBefore(before: Context | undefined, now: Context): Promise<void> {
    if (before?.tokenId == null || before.server !== now.server || before.token === now.token) return;
    await revokeOwn(before.server, before.token, before.tokenId).catch(() => undefined);
  }
}
