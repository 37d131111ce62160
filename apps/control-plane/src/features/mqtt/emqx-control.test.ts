import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerUnavailableError } from './broker.ts';
import { EmqxControl } from './emqx-control.ts';

interface Asked {
  readonly what: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** Answers as EMQX 5 documents its API; the broker itself is not here. */
let server: Server;
let url: string;
let asked: Asked[];
let answer: (request: IncomingMessage) => { status: number; body?: object };

beforeEach(async () => {
  asked = [];
  answer = ({ method }) => ({ status: method === 'DELETE' ? 204 : 200, body: {} });
  server = createServer(async (request, response) => {
    const body = await text(request);
    const { authorization } = request.headers;
    asked.push({
      what: `${request.method} ${request.url}`,
      authorization,
      body: body === '' ? undefined : JSON.parse(body),
    });
    const { status, body: said } = answer(request);
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(said === undefined ? '' : JSON.stringify(said));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

const control = () => new EmqxControl(url, 'key:secret');
const AUTHORIZATION = `Basic ${Buffer.from('key:secret').toString('base64')}`;

describe('the control of EMQX', () => {
  it('bans a device before it ends its session', async () => {
    await control().bar('d-one');
    expect(asked).toEqual([
      {
        what: 'POST /api/v5/banned',
        authorization: AUTHORIZATION,
        body: { as: 'username', who: 'd-one', by: 'aviary', reason: 'revoked by Aviary' },
      },
      { what: 'DELETE /api/v5/clients/d-one', authorization: AUTHORIZATION, body: undefined },
    ]);
  });

  it('takes it as done when the device is banned already, and not connected', async () => {
    answer = ({ method }) => (method === 'POST' ? { status: 400, body: { code: 'ALREADY_EXISTS' } } : { status: 404 });
    await control().bar('d-one');
    expect(asked).toHaveLength(2);
  });

  it('takes a ban back, also one that there is not', async () => {
    await control().readmit('d-one');
    answer = () => ({ status: 404 });
    await control().readmit('d-one');
    expect(asked.map(({ what }) => what)).toEqual(Array(2).fill('DELETE /api/v5/banned/username/d-one'));
  });

  it('lists the devices that are banned, over all pages, and nobody else', async () => {
    answer = ({ url: path = '' }) => ({
      status: 200,
      body: path.includes('page=1')
        ? {
            data: [
              { as: 'username', who: 'd-one', by: 'aviary' },
              { as: 'peerhost', who: '10.0.0.1' },
            ],
            meta: { hasnext: true },
          }
        : {
            data: [
              { as: 'username', who: 'd-two', by: 'aviary' },
              { as: 'username', who: 'd-three', by: 'an operator' },
              { as: 'clientid', who: 'd-six' },
            ],
            meta: { hasnext: false },
          },
    });
    expect(await control().barred()).toEqual(new Set(['d-one', 'd-two']));
  });

  it.each([
    [401, { code: 'BAD_API_KEY_OR_SECRET' }],
    [500, {}],
  ])('says what EMQX has answered when it is %i', async (status, body) => {
    answer = () => ({ status, body });
    await expect(control().bar('d-one')).rejects.toThrow(`with ${status}: ${JSON.stringify(body)}`);
    await expect(control().barred()).rejects.toBeInstanceOf(BrokerUnavailableError);
  });

  it('does not take another 400 for a ban that stands', async () => {
    answer = () => ({ status: 400, body: { code: 'BAD_REQUEST', message: 'no' } });
    await expect(control().bar('d-one')).rejects.toBeInstanceOf(BrokerUnavailableError);
  });

  it('says when nobody answers', async () => {
    const nobody = new EmqxControl('http://127.0.0.1:1', 'key:secret');
    await expect(nobody.bar('d-one')).rejects.toThrow('EMQX does not answer POST http://127.0.0.1:1/api/v5/banned');
  });
});
