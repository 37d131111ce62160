import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { adminRoutes } from './admin-api/admin-routes.ts';
import { ApiError, createClient, routeUrl } from './client.ts';
import { PROBLEM_CONTENT_TYPE } from './problem.ts';
import { route } from './route.ts';

const routes = {
  show: route({
    method: 'GET',
    path: '/things/:id',
    summary: 'A thing',
    tag: 'things',
    access: 'public',
    params: z.object({ id: z.string() }),
    query: z.object({ cursor: z.string().optional(), limit: z.coerce.number().optional() }),
    response: z.object({ id: z.string(), size: z.number().default(1) }),
  }),
  change: route({
    method: 'PATCH',
    path: '/things/:id/parts/:part',
    summary: 'Change a part',
    tag: 'things',
    access: 'public',
    params: z.object({ id: z.string(), part: z.string() }),
    body: z.object({ name: z.string() }),
  }),
};

/** What the server was asked last, and how it answers next. */
let asked: { method: string; url: string; headers: IncomingMessage['headers']; body: string };
let answer: (response: ServerResponse) => void;

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method = '', url = '', headers } = request;
    asked = { method, url, headers, body: Buffer.concat(chunks).toString() };
    answer(response);
  });
});
let baseUrl: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const answering = (status: number, body?: string, contentType = 'application/json') => {
  answer = (response) => response.writeHead(status, { 'content-type': contentType }).end(body);
};
const client = (headers?: Record<string, string>) =>
  createClient(routes, { baseUrl, fetch, ...(headers === undefined ? {} : { headers }) });
const errorOf = async (call: Promise<unknown>): Promise<ApiError> => {
  const error = await call.then(
    () => new Error('expected a failure'),
    (reason: unknown) => reason,
  );
  if (error instanceof ApiError) return error;
  throw error;
};
const show = () => client().show({ params: { id: 'a' } });

describe('routeUrl', () => {
  const url = (id: string, query?: Record<string, unknown>) =>
    routeUrl(routes.show, { params: { id }, ...(query === undefined ? {} : { query }) });

  it.each([
    ['d-1', '/things/d-1'],
    ['a/b', '/things/a%2Fb'],
    ['a b?c#d', '/things/a%20b%3Fc%23d'],
    ['100%', '/things/100%25'],
    ['meter-reader@1.4.0', '/things/meter-reader%401.4.0'],
    ['été', '/things/%C3%A9t%C3%A9'],
    ['...', '/things/...'],
    [':part', '/things/%3Apart'],
  ])('puts %j into one step of the path', (id, expected) => {
    expect(url(id)).toBe(expected);
    expect(decodeURIComponent(new URL(url(id), 'http://x').pathname)).toBe(`/things/${id}`);
  });

  it('fills every parameter by its name', () => {
    expect(routeUrl(routes.change, { params: { part: '2', id: '1' } })).toBe('/things/1/parts/2');
  });

  it.each(['', '.', '..'])('refuses %j, which would lead to another route', (id) => {
    expect(() => url(id)).toThrow(`Expected the id for GET /things/:id, got "${id}".`);
  });

  it('refuses a parameter that is missing instead of writing "undefined"', () => {
    expect(() => routeUrl(routes.change, { params: { id: '1' } })).toThrow(/Expected the part for PATCH/);
    expect(() => routeUrl(routes.show, {})).toThrow(RangeError);
  });

  it.each<[Record<string, unknown>, string]>([
    [{}, ''],
    [{ cursor: undefined }, ''],
    [{ limit: 5 }, '?limit=5'],
    [{ limit: 0, cursor: '' }, '?limit=0&cursor='],
    [{ cursor: 'a&b=c d+e' }, '?cursor=a%26b%3Dc%20d%2Be'],
    [
      { selector: 'profile in (rpi4, rpi5) and site != "Saint Denis"' },
      '?selector=profile%20in%20(rpi4%2C%20rpi5)%20and%20site%20!%3D%20%22Saint%20Denis%22',
    ],
  ])('writes the query %j as %j', (query, expected) => {
    expect(url('a', query)).toBe(`/things/a${expected}`);
    const read = new URL(url('a', query), 'http://x').searchParams;
    for (const [name, value] of Object.entries(query))
      expect(read.get(name)).toBe(value === undefined ? null : String(value));
  });
});

describe('a client asks', () => {
  it('with the method, path, query and headers, and reads the answer by its schema', async () => {
    answering(200, '{"id":"a","extra":true}');
    const headers = { authorization: 'Bearer abc' };
    expect(await client(headers).show({ params: { id: 'a/b' }, query: { limit: 2 } })).toEqual({ id: 'a', size: 1 });
    expect(asked).toMatchObject({ method: 'GET', url: '/things/a%2Fb?limit=2', body: '' });
    expect(asked.headers).toMatchObject({ authorization: 'Bearer abc', accept: 'application/json' });
    expect(asked.headers['content-type']).toBeUndefined();
  });

  it('with a body in JSON, and answers undefined to 204', async () => {
    answering(204);
    expect(await client().change({ params: { id: '1', part: '2' }, body: { name: 'é' } })).toBeUndefined();
    expect(asked).toMatchObject({ method: 'PATCH', url: '/things/1/parts/2', body: '{"name":"é"}' });
    expect(asked.headers['content-type']).toBe('application/json');
  });

  it('at an address that ends in a slash, or has a path', async () => {
    answering(200, '{"id":"a"}');
    await createClient(routes, { baseUrl: `${baseUrl}/`, fetch }).show({ params: { id: 'a' } });
    expect(asked.url).toBe('/things/a');
    await createClient(routes, { baseUrl: `${baseUrl}/aviary`, fetch }).show({ params: { id: 'a' } });
    expect(asked.url).toBe('/aviary/things/a');
  });

  it('has a function for every route of the admin plane', () => {
    expect(Object.keys(createClient(adminRoutes, { baseUrl, fetch }))).toEqual(Object.keys(adminRoutes));
  });
});

describe('a client throws', () => {
  const problem = {
    type: 'about:blank',
    title: 'Bad request',
    status: 400,
    code: 'rollout-spec-invalid',
    detail: 'The rollout cannot be created.',
    problems: [{ path: 'strategy.waves.1.size', message: 'expected 100%' }],
  };

  it.each([PROBLEM_CONTENT_TYPE, `${PROBLEM_CONTENT_TYPE}; charset=utf-8`])(
    'the problem that the server told, as %s',
    async (contentType) => {
      answering(400, JSON.stringify(problem), contentType);
      const error = await errorOf(show());
      expect([error.code, error.message]).toEqual(['rollout-spec-invalid', 'The rollout cannot be created.']);
      expect(error.problem).toEqual(problem);
    },
  );

  it.each([
    ['a page of another server', 404, '<h1>Not here</h1>', 'text/html'],
    ['JSON of another server', 500, '{"error":"x"}', 'application/json'],
    ['a problem of another form', 503, '{"title":"x"}', PROBLEM_CONTENT_TYPE],
    ['a problem that is cut off', 502, '{"title":', PROBLEM_CONTENT_TYPE],
    ['nothing', 401, '', 'text/plain'],
  ])('for %s what was expected, what came and what to do', async (_, status, body, contentType) => {
    answering(status, body, contentType);
    const error = await errorOf(show());
    expect(error.code).toBe('unexpected-answer');
    expect(error.problem.status).toBe(status);
    expect(error.message).toBe(
      `Expected an answer of the Aviary API to GET /things/:id, got HTTP ${status}. Is the address right?`,
    );
  });

  it.each([
    ['no JSON', '<html></html>', /got HTTP 200\. It is no JSON\. Is the address right\?/],
    ['an empty body', '', /It is no JSON/],
    ['another form', '{"id":7}', /It does not have the form of this version:[\s\S]*expected string[\s\S]*id/],
  ])('for a success with %s', async (_, body, message) => {
    answering(200, body);
    const error = await errorOf(show());
    expect([error.code, error.problem.status]).toEqual(['unexpected-answer', 200]);
    expect(error.message).toMatch(message);
  });

  it('what its fetch throws when nobody answers, as it is', async () => {
    const nobody = createServer();
    await new Promise<void>((resolve) => nobody.listen(0, '127.0.0.1', resolve));
    const { port } = nobody.address() as AddressInfo;
    await new Promise((resolve) => nobody.close(resolve));
    const lost = createClient(routes, { baseUrl: `http://127.0.0.1:${port}`, fetch });
    const error = await lost.show({ params: { id: 'a' } }).catch((reason: unknown) => reason);
    expect(error).not.toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  });

  it('what its fetch throws when the answer breaks off, and does not blame the address', async () => {
    answer = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
      response.write('{"id":');
      setTimeout(() => response.destroy(), 20);
    };
    const error = await show().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(ApiError);
  });

  it('before it asks, for a parameter that is missing', async () => {
    answer = () => {
      throw new Error('expected not to be asked');
    };
    await expect(client().show({ params: { id: '' } })).rejects.toThrow(/Expected the id/);
  });
});
