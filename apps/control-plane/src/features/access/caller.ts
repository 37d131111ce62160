import type { Role, Session } from '@aviary/protocol';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** Who is asking, once the guard has seen their proof. */
export interface Caller {
  /** Of the account; of the token when there is no account behind it. */
  readonly name: string;
  readonly role: Role;
  readonly via: Session['via'];
  /** null: there is no account behind it, as with the admin token. */
  readonly accountId: string | null;
  /** What finds the session in the database; null when something else is the proof. */
  readonly sessionHash: Buffer | null;
  readonly csrfToken: string | null;
  /** Milliseconds since 1970; null: it does not end by itself. */
  readonly expiresAt: number | null;
}

const callers = new WeakMap<FastifyRequest, Caller>();

export const rememberCaller = (request: FastifyRequest, caller: Caller): void => void callers.set(request, caller);

/** Who is asking; undefined on a route that is open to everybody. */
export const callerOf = (request: FastifyRequest): Caller | undefined => callers.get(request);

/** A handler's parameter: who is asking, on a route that is not open to everybody. */
export const AskedBy = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const caller = callerOf(context.switchToHttp().getRequest<FastifyRequest>());
  if (caller === undefined) throw new Error('A public route has no caller: the guard asks nobody there.');
  return caller;
});
