import { adminRoutes, type RouteRequest, SESSION_COOKIE, type Session } from '@aviary/protocol';
import { Controller, Header, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { AccountsService } from './accounts.service.ts';
import { AskedBy, type Caller } from './caller.ts';
import { LogInService, type OpenedSession } from './log-in.service.ts';
import { LONGEST_S } from './sessions.service.ts';
import { TokensService } from './tokens.service.ts';

const sessionView = ({ name, role, via, csrfToken, expiresAt }: Caller): Session => ({
  name,
  role,
  via,
  csrfToken,
  expiresAt,
});

/** Gives a browser its session. Only over TLS, when it has come over TLS. */
const answerSession = (request: FastifyRequest, reply: FastifyReply, { secret, caller }: OpenedSession): Session => {
  const secure = request.protocol === 'https';
  reply.setCookie(SESSION_COOKIE, secret, { httpOnly: true, sameSite: 'strict', path: '/', secure, maxAge: LONGEST_S });
  return sessionView(caller);
};

@Controller()
export class AccessController {
  constructor(
    @Inject(LogInService) private readonly logIns: LogInService,
    @Inject(AccountsService) private readonly accounts: AccountsService,
    @Inject(TokensService) private readonly tokens: TokensService,
  ) {}

  @ApiRoute(adminRoutes.showSetup)
  async showSetup() {
    return { needed: await this.accounts.isEmpty() };
  }

  @ApiRoute(adminRoutes.setUp)
  async setUp(
    @Checked() { body }: RouteRequest<typeof adminRoutes.setUp>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answerSession(request, reply, await this.logIns.setUp(body));
  }

  @ApiRoute(adminRoutes.logIn)
  async logIn(
    @Checked() { body }: RouteRequest<typeof adminRoutes.logIn>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answerSession(request, reply, await this.logIns.logIn(body, request.ip));
  }

  @ApiRoute(adminRoutes.showSession)
  @Header('cache-control', 'no-store')
  showSession(@AskedBy() caller: Caller) {
    return sessionView(caller);
  }

  @ApiRoute(adminRoutes.logOut)
  async logOut(@AskedBy() caller: Caller, @Res({ passthrough: true }) reply: FastifyReply) {
    await this.logIns.logOut(caller);
    reply.clearCookie(SESSION_COOKIE, { path: '/' });
  }

  @ApiRoute(adminRoutes.changePassword)
  changePassword(@Checked() { body }: RouteRequest<typeof adminRoutes.changePassword>, @AskedBy() caller: Caller) {
    return this.logIns.changePassword(caller, body);
  }

  @ApiRoute(adminRoutes.listAccounts)
  async listAccounts() {
    return { items: await this.accounts.list() };
  }

  @ApiRoute(adminRoutes.createAccount)
  createAccount(@Checked() { body }: RouteRequest<typeof adminRoutes.createAccount>) {
    return this.accounts.create(body);
  }

  @ApiRoute(adminRoutes.changeAccount)
  changeAccount(@Checked() { params, body }: RouteRequest<typeof adminRoutes.changeAccount>) {
    return this.accounts.change(params.id, body);
  }

  @ApiRoute(adminRoutes.listTokens)
  async listTokens(@AskedBy() caller: Caller) {
    return { items: await this.tokens.list(caller) };
  }

  @ApiRoute(adminRoutes.createToken)
  createToken(@Checked() { body }: RouteRequest<typeof adminRoutes.createToken>, @AskedBy() caller: Caller) {
    return this.tokens.create(caller, body);
  }

  @ApiRoute(adminRoutes.revokeToken)
  revokeToken(@Checked() { params }: RouteRequest<typeof adminRoutes.revokeToken>, @AskedBy() caller: Caller) {
    return this.tokens.revoke(caller, params.id);
  }
}
