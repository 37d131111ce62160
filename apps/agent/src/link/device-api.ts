import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { ApiError, createClient, type Fetch, type Route, type RouteInput, type RouteOutput } from '@aviary/protocol';

const REQUEST_TIMEOUT_MS = 30_000;
const LARGEST_ANSWER_BYTES = 4 * 1024 * 1024;

export interface DeviceCredentials {
  readonly fleetCa: string;
  readonly key?: string;
  readonly certificate?: string;
}

const collect = async (response: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LARGEST_ANSWER_BYTES)
      throw new Error(`expected an answer of at most ${LARGEST_ANSWER_BYTES} bytes, got more`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** The device plane over HTTPS with mutual TLS; the fleet CA is the only one that counts. */
export class DeviceApi {
  readonly #baseUrl: string;
  readonly #agent: Agent;

  constructor(baseUrl: string, credentials: DeviceCredentials) {
    this.#baseUrl = baseUrl;
    this.#agent = new Agent({
      ca: credentials.fleetCa,
      ...(credentials.key === undefined ? {} : { key: credentials.key }),
      ...(credentials.certificate === undefined ? {} : { cert: credentials.certificate }),
      minVersion: 'TLSv1.3',
      keepAlive: true,
      maxSockets: 2,
    });
  }

  /** Calls a route of the device plane. @throws ApiError what the control plane refused; Error when it was not reached */
  call<R extends Route>(route: R, input: RouteInput<R>): Promise<RouteOutput<R>> {
    const client = createClient({ route }, { baseUrl: this.#baseUrl, fetch: (url, init) => this.#fetch(url, init) });
    return client.route(input);
  }

  /** Opens a stream of a path, from byte `start` on. The caller reads or destroys it. */
  async stream(path: string, start: number, signal: AbortSignal): Promise<IncomingMessage> {
    const headers: Record<string, string> = start === 0 ? {} : { range: `bytes=${start}-` };
    const response = await this.#send(`${this.#baseUrl}${path}`, { method: 'GET', headers }, signal);
    if (response.statusCode === 200 || response.statusCode === 206) return response;
    const detail = await collect(response);
    throw new ApiError({
      type: 'about:blank',
      title: 'refused',
      status: response.statusCode ?? 0,
      code: 'blob-refused',
      detail,
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  async #fetch(url: string, init: Parameters<Fetch>[1]): ReturnType<Fetch> {
    const response = await this.#send(url, init, AbortSignal.timeout(REQUEST_TIMEOUT_MS));
    const text = await collect(response);
    const status = response.statusCode ?? 0;
    return {
      ok: status >= 200 && status < 300,
      status,
      headers: { get: (name) => String(response.headers[name] ?? '') },
      text: async () => text,
    };
  }

  #send(
    url: string,
    init: { method: string; headers: Record<string, string>; body?: string },
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        url,
        { method: init.method, headers: init.headers, agent: this.#agent, signal },
        resolve,
      );
      outgoing.once('error', reject);
      outgoing.end(init.body);
    });
  }
}
