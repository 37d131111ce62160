import { type Route, statusOf } from '@aviary/protocol';
import {
  applyDecorators,
  createParamDecorator,
  type ExecutionContext,
  HttpCode,
  RequestMapping,
  RequestMethod,
  SetMetadata,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { badRequest } from '../problem.ts';

const ROUTE = 'aviary:route';

/** Serves an operation of `libs/protocol`: method, path and status come from there. */
export const ApiRoute = (route: Route): MethodDecorator =>
  applyDecorators(
    RequestMapping({ method: RequestMethod[route.method], path: route.path }),
    HttpCode(statusOf(route)),
    SetMetadata(ROUTE, route),
  );

/** The operation that a handler serves; undefined when it serves none of `libs/protocol`. */
export const routeOf = (handler: object): Route | undefined => Reflect.getMetadata(ROUTE, handler);

const PARTS = ['params', 'query', 'body'] as const;

/**
 * The checked request of an `ApiRoute`: `{params, query, body}` as the route's schemas give them.
 * @throws ProblemError `request-invalid` naming every wrong place at once.
 */
export const Checked = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const route: Route = Reflect.getMetadata(ROUTE, context.getHandler());
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const checked: Record<string, unknown> = {};
  const problems: { path: string; message: string }[] = [];
  for (const part of PARTS) {
    const schema: z.ZodType | undefined = route[part];
    if (schema === undefined) continue;
    const result = schema.safeParse(request[part] ?? {});
    if (result.success) checked[part] = result.data;
    else {
      for (const issue of result.error.issues) {
        problems.push({ path: [part, ...issue.path.map(String)].join('.'), message: issue.message });
      }
    }
  }
  if (problems.length > 0) {
    const words = problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
    throw badRequest('request-invalid', `The request does not have the expected form: ${words}.`, problems);
  }
  return checked;
});
