import { timingSafeEqual } from 'node:crypto';
import { SESSION_COOKIE } from '@aviary/protocol';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '../../infra/problem.ts';
import type { Caller } from './caller.ts';
import type { SessionsService } from './sessions.service.ts';
import { TOKEN_PREFIX, type TokensService } from './tokens.service.ts';

const BEARER = /^Bearer +(\S+)$/i;

const notAuthorized = (words: string) => new ProblemError(401, 'not-authorized', words);

/** What a request may bring to prove who asks. */
export interface Proof {
  readonly authorization: string | undefined;
  /** The value of the session cookie. */
  readonly session: string | undefined;
}

export const proofOf = ({ headers: { authorization }, cookies }: FastifyRequest): Proof => ({
  authorization,
  session: cookies[SESSION_COOKIE],
});

/** Tells who is asking: by the admin token, an API token, or a browser's session. */
export class Callers {
  private readonly adminToken: Buffer;

  constructor(
    adminToken: string,
    private readonly sessions: SessionsService,
    private readonly tokens: TokensService,
  ) {
    this.adminToken = Buffer.from(adminToken);
  }

  /** @throws ProblemError `not-authorized`, with words on what to do */
  async find({ authorization, session }: Proof, how: 'use' | 'look' = 'use'): Promise<Caller> {
    // What somebody wrote into a header goes before what a browser sends by itself.
    if (authorization !== undefined) return this.byToken(BEARER.exec(authorization)?.[1], how);
    if (session === undefined || session === '') {
      throw notAuthorized(
        'Expected somebody who is logged in, got a request without a proof. In the console: log in. With the command: aviary login, or the admin token of the data directory.',
      );
    }
    const caller = await this.sessions.find(session, how);
    if (caller === undefined) {
      throw notAuthorized('The session has ended: it was idle for long, or was ended elsewhere. Log in again.');
    }
    return caller;
  }

  /** Whether a proof is still good. To be asked does not make it last longer. */
  async stillKnow(proof: Proof): Promise<boolean> {
    try {
      await this.find(proof, 'look');
      return true;
    } catch (error) {
      if (error instanceof ProblemError) return false;
      throw error;
    }
  }

  private async byToken(token: string | undefined, how: 'use' | 'look'): Promise<Caller> {
    if (token === undefined) throw notAuthorized('Expected "Authorization: Bearer …" with a token, got another form.');
    const given = Buffer.from(token);
    if (given.length === this.adminToken.length && timingSafeEqual(given, this.adminToken)) {
      const nobody = { accountId: null, sessionHash: null, csrfToken: null, expiresAt: null };
      return { name: 'admin-token', role: 'admin', via: 'admin-token', ...nobody };
    }
    const caller = token.startsWith(TOKEN_PREFIX) ? await this.tokens.find(token, how) : undefined;
    if (caller !== undefined) return caller;
    throw notAuthorized(
      token.startsWith(TOKEN_PREFIX)
        ? 'The API token is not known here: it has expired, was revoked, or belongs to another control plane. Make a new one with: aviary login'
        : 'Expected the admin token or an API token (avt_…), got another one. The admin token is in the file admin.token of the data directory; the aviary command finds it there, or takes AVIARY_TOKEN.',
    );
  }
}
