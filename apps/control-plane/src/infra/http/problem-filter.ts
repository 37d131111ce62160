import { PROBLEM_CONTENT_TYPE, type Problem } from '@aviary/protocol';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../log.ts';
import { ProblemError, TryLaterError } from '../problem.ts';

const statusOf = (error: unknown): number | undefined => {
  if (error instanceof HttpException) return error.getStatus();
  // Fastify's own refusals: a body too large, not JSON, …
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status < 500 ? status : undefined;
};

const problemOf = (status: number, code: string, detail: string): Problem => ({
  type: `urn:aviary:problem:${code}`,
  title: code.replaceAll('-', ' '),
  status,
  code,
  detail,
});

/** Of the file system, and PostgreSQL's disk_full. */
const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT', '53100']);
const isStorageFull = (error: unknown): boolean => error instanceof Error && 'code' in error && FULL.has(error.code);

/** The one place where an error becomes an HTTP answer (RFC 9457). What we did not expect is logged, not shown. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (reply.sent) return;
    const problem = this.describe(error, request);
    if (error instanceof TryLaterError) reply.header('retry-after', String(error.seconds));
    void reply.status(problem.status).header('content-type', PROBLEM_CONTENT_TYPE).send(JSON.stringify(problem));
  }

  private describe(error: unknown, request: FastifyRequest): Problem {
    if (error instanceof ProblemError) {
      const { status, code, message, problems } = error;
      return { ...problemOf(status, code, message), ...(problems === undefined ? {} : { problems: [...problems] }) };
    }
    const status = statusOf(error);
    if (status !== undefined) {
      const code = status === 404 ? 'route-unknown' : 'request-refused';
      const detail = error instanceof Error ? error.message : String(error);
      return problemOf(status, code, detail);
    }
    if (isStorageFull(error)) {
      this.log.error({ err: error, url: request.url }, 'the disk is full');
      const detail =
        'The disk of the control plane is full; nothing was kept. Free space where its data lies, and try again.';
      return problemOf(507, 'storage-full', detail);
    }
    this.log.error({ err: error, url: request.url, method: request.method }, 'a request failed');
    return problemOf(500, 'internal', 'The control plane could not do this; its log says why. Try again.');
  }
}
