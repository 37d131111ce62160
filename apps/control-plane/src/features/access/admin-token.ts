import { randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '../../infra/problem.ts';
import { readOrMakeFile } from '../../infra/shared-file.ts';

const SHORTEST_TOKEN = 32;

/** The file with the admin token holds none that would keep anybody out. */
export class AdminTokenError extends Error {
  readonly code = 'admin-token';
}

/**
 * Reads `<data>/admin.token` (0600), made at the first start: whoever can read the file administers the fleet.
 * @throws AdminTokenError
 */
export const loadAdminToken = async (dataDirectory: string): Promise<string> => {
  const path = join(dataDirectory, 'admin.token');
  const token = await readOrMakeFile(path, () => randomBytes(32).toString('base64url'));
  if (token.length < SHORTEST_TOKEN) {
    throw new AdminTokenError(
      `Expected a token of at least ${SHORTEST_TOKEN} characters in ${path}, got ${token.length}. Remove it, and the next start makes a new one.`,
    );
  }
  return token;
};

/** Lets a request of the admin plane pass when it brings the admin token; the rest of the web has no business here. */
@Injectable()
export class AdminTokenGuard implements CanActivate {
  private readonly expected: Buffer;

  constructor(token: string) {
    this.expected = Buffer.from(`Bearer ${token}`);
  }

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const given = Buffer.from(request.headers.authorization ?? '');
    if (given.length === this.expected.length && timingSafeEqual(given, this.expected)) return true;
    throw new ProblemError(
      401,
      'not-authorized',
      'Expected the admin token as "Authorization: Bearer …". It is in the file admin.token of the data directory; the aviary command finds it there, or takes AVIARY_TOKEN.',
    );
  }
}
