import type { z } from 'zod';
import {
  type CreateDocumentOptions,
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
} from 'zod-openapi';
import { SESSION_COOKIE } from './admin-api/access.ts';
import { adminRoutes } from './admin-api/admin-routes.ts';
import { PROBLEM_CONTENT_TYPE, problemSchema } from './problem.ts';
import { type Route, statusOf } from './route.ts';

/** Answers may gain fields; a caller that was told that there are no others would refuse them. */
const openToAdditions: NonNullable<CreateDocumentOptions['override']> = ({ jsonSchema, io }) => {
  if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
};

const requestBody = ({ body, upload }: Route): Pick<ZodOpenApiOperationObject, 'requestBody'> => {
  if (upload !== undefined) return { requestBody: { required: true, content: { [upload]: {} } } };
  return body === undefined
    ? {}
    : { requestBody: { required: true, content: { 'application/json': { schema: body } } } };
};

const answer = ({ response, download }: Route): Pick<ZodOpenApiResponseObject, 'content'> => {
  if (download !== undefined) return { content: { [download]: {} } };
  return response === undefined ? {} : { content: { 'application/json': { schema: response } } };
};

const whoMay = ({ access }: Route): string =>
  typeof access === 'string' ? 'Open to everybody.' : `For the roles ${access.join(', ')}.`;

const operation = (id: string, route: Route): ZodOpenApiOperationObject => ({
  operationId: id,
  summary: route.summary,
  tags: [route.tag],
  security: route.access === 'public' ? [] : [{ token: [] }, { session: [] }],
  description: whoMay(route),
  requestParams: {
    ...(route.params === undefined ? {} : { path: route.params as z.ZodObject }),
    ...(route.query === undefined ? {} : { query: route.query as z.ZodObject }),
  },
  ...requestBody(route),
  responses: {
    [String(statusOf(route))]: { description: 'Done', ...answer(route) },
    default: {
      description: 'A problem (RFC 9457)',
      content: { [PROBLEM_CONTENT_TYPE]: { schema: problemSchema } },
    },
  },
});

/** The OpenAPI 3.1 document of the admin plane, made from the same schemas that check its requests. */
export const openApiDocument = (version: string): ReturnType<typeof createDocument> => {
  const paths: ZodOpenApiPathsObject = {};
  for (const [id, route] of Object.entries<Route>(adminRoutes)) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(id, route) };
  }
  return createDocument(
    {
      openapi: '3.1.1',
      info: { title: 'Aviary', version, description: 'The admin plane of an Aviary control plane.' },
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer' },
          session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE },
        },
      },
      paths,
    },
    { override: openToAdditions },
  );
};
