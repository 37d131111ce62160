import { describe, expect, it } from 'vitest';
import { SESSION_COOKIE } from './admin-api/access.ts';
import { adminRoutes } from './admin-api/admin-routes.ts';
import { openApiDocument } from './openapi.ts';
import { PROBLEM_CONTENT_TYPE } from './problem.ts';
import { type Route, statusOf } from './route.ts';

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
}
interface Content {
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
}
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly security: readonly Record<string, readonly string[]>[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: Content & { readonly required?: boolean };
  readonly responses: Readonly<Record<string, Content>>;
}
interface Document {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Record<string, Schema>; readonly securitySchemes: Record<string, unknown> };
}

// As a reader of the file sees it, not as the library types it.
const document: Document = JSON.parse(JSON.stringify(openApiDocument('1.2.3')));
const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
const routes = Object.entries<Route>(adminRoutes);

const operationOf = (id: string): Operation => {
  const found = operations.find(({ operationId }) => operationId === id);
  if (found === undefined) throw new Error(`expected an operation ${id}`);
  return found;
};
/** Every value under `key`, however deep. */
const everywhere = (value: unknown, key: string): unknown[] => {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    ...(name === key ? [inner] : []),
    ...everywhere(inner, key),
  ]);
};
const resolve = (schema: Schema | undefined): Schema => {
  if (schema === undefined) throw new Error('expected a schema');
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.replace('#/components/schemas/', '');
  return resolve(document.components.schemas[name]);
};
const jsonOf = (part: Content | undefined): Schema => resolve(part?.content?.['application/json']?.schema);

describe('the OpenAPI document', () => {
  it('is of version 3.1, and says which Aviary it describes', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info.version).toBe('1.2.3');
  });

  it.each(routes)('has the route %s', (id, route) => {
    const methods = document.paths[route.path.replace(/:(\w+)/g, '{$1}')];
    const operation = methods?.[route.method.toLowerCase()];
    expect(operation).toMatchObject({ operationId: id, summary: route.summary, tags: [route.tag] });
    const status = String(statusOf(route));
    expect(Object.keys(operation?.responses ?? {})).toEqual([status, 'default']);
    expect(operation?.requestBody !== undefined).toBe(route.body !== undefined || route.upload !== undefined);
  });

  it('has no other, and each under its own name', () => {
    expect(operations).toHaveLength(routes.length);
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(routes.length);
  });

  it('names the parameters of each path, all of them required', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const { parameters = [], operationId } of Object.values(methods)) {
        const inPath = parameters.filter((parameter) => parameter.in === 'path');
        expect([operationId, inPath.map(({ name }) => name).sort()]).toEqual([operationId, named.sort()]);
        expect(inPath.every(({ required }) => required === true)).toBe(true);
      }
    }
  });

  it('resolves every reference, and has no schema that nobody refers to', () => {
    const references = everywhere(document, '$ref');
    expect(references.length).toBeGreaterThan(20);
    const named = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    expect([...new Set(references)].sort()).toEqual(named.sort());
  });

  it('demands a token or a session wherever a route is not public, by schemes that it declares', () => {
    for (const [id, { access }] of Object.entries(adminRoutes)) {
      const expected = access === 'public' ? [] : [{ token: [] }, { session: [] }];
      expect(operationOf(id).security).toEqual(expected);
    }
    expect(document.components.securitySchemes).toEqual({
      token: { type: 'http', scheme: 'bearer' },
      session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE },
    });
  });

  it('describes every failure as a problem', () => {
    for (const { responses } of operations) {
      expect(Object.keys(responses.default?.content ?? {})).toEqual([PROBLEM_CONTENT_TYPE]);
      const problem = resolve(responses.default?.content?.[PROBLEM_CONTENT_TYPE]?.schema);
      expect(problem.required).toEqual(['type', 'title', 'status', 'code', 'detail']);
    }
  });

  it('does not ask callers for what has a default', () => {
    expect(jsonOf(operationOf('createJoinToken').requestBody).required ?? []).toEqual([]);
    const optional = operationOf('listDevices').parameters?.map(({ name, required }) => [name, required ?? false]);
    expect(optional).toEqual([
      ['cursor', false],
      ['limit', false],
      ['selector', false],
    ]);
  });

  it('promises callers what the server fills in', () => {
    const facts = resolve(jsonOf(operationOf('showDevice').responses['200']).properties?.facts);
    expect(facts.required).toContain('runtimes');
    const [runtimes] = everywhere(facts, 'runtimes') as { items: Schema }[];
    expect(runtimes?.items.required).toEqual(['name', 'version', 'providers']);
  });

  it('has one name for what is given and got in the same form', () => {
    const given = jsonOf(operationOf('changeTrust').requestBody);
    const alsoGiven = jsonOf(operationOf('foundTrust').requestBody);
    expect(given.properties?.targets).toBeDefined();
    expect(alsoGiven).toEqual(given);
  });

  it('lets a newer server add to its answers', () => {
    const answers = operations.map(({ responses }) => responses);
    expect(everywhere(answers, 'additionalProperties')).not.toContain(false);
    // What a caller gives may be refused for what nobody knows.
    const closed = Object.entries(document.components.schemas).filter(([, schema]) =>
      everywhere(schema, 'additionalProperties').includes(false),
    );
    expect(closed.map(([name]) => name)).toEqual(['RoundSpec', 'RoundTraining']);
  });

  it('takes the bytes of a blob as bytes', () => {
    expect(operationOf('uploadBlob').requestBody).toEqual({
      required: true,
      content: { 'application/octet-stream': {} },
    });
  });

  it('is made anew each time, and the same each time', () => {
    expect(openApiDocument('1.2.3')).toEqual(openApiDocument('1.2.3'));
    expect(openApiDocument('1.2.3')).not.toBe(openApiDocument('1.2.3'));
  });
});
