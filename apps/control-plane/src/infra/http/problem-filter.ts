import { PROBLEM_CONTENT_TYPE, type Problem } from '@aviary/protocol';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../log.ts';
import { ProblemError } from '../problem.ts';

const statusOf = (error: unknown): number | undefined => {
  if (error instanceof HttpException) return error.getStatus();
  // Fastify's own refusals: a body too large, not JSON, …
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status < 500 ? status : undefined;
};

/** The one place where an error becomes an HTTP answer (RFC 9457). What we did not expect is logged, not shown. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (reply.sent) return;
    const problem = this.problemOf(error, request);
    void reply.status(problem.status).header('content-type', PROBLEM_CONTENT_TYPE).send(JSON.stringify(problem));
  }

  private problemOf(error: unknown, request: FastifyRequest): Problem {
    if (error instanceof ProblemError) {
      return {
        type: `urn:aviary:problem:${error.code}`,
        title: error.code.replaceAll('-', ' '),
        status: error.status,
        code: error.code,
        detail: error.message,
        ...(error.problems === undefined ? {} : { problems: [...error.problems] }),
      };
    }
    const status = statusOf(error);
    if (status !== undefined) {
      const code = status === 404 ? 'route-unknown' : 'request-refused';
      const detail = error instanceof Error ? error.message : String(error);
      return { type: `urn:aviary:problem:${code}`, title: code.replaceAll('-', ' '), status, code, detail };
    }
    this.log.error({ err: error, url: request.url, method: request.method }, 'a request failed');
    return {
      type: 'urn:aviary:problem:internal',
      title: 'internal error',
      status: 500,
      code: 'internal',
      detail: 'The control plane could not do this; its log says why. Try again.',
    };
  }
}
