import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { Duplex } from 'node:stream';
import {
  ApiError,
  createClient,
  type Fetch,
  PROBLEM_CONTENT_TYPE,
  problemSchema,
  type Route,
  type RouteInput,
  type RouteOutput,
} from '@aviary/protocol';

import type { DownloadLimit } from './download-limit.ts';
import { Patience } from './patience.ts';
import { isClockBehind, type LinkCredentials, openTls, secureContextOf } from './server-trust.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const LARGEST_ANSWER_BYTES = 4 * 1024 * 1024;
/** A slower upload is given up, and tried again. */
const SLOWEST_BYTES_PER_MS = 16;

/** Somebody sends more than was asked for; nothing of it is used. */
export class AnswerTooLongError extends Error {
  readonly code = 'answer-too-long';
}

const collect = async (
  response: IncomingMessage,
  limit = LARGEST_ANSWER_BYTES,
  onChunk: (bytes: number) => Promise<void> | undefined = () => undefined,
): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limit) throw new AnswerTooLongError(`expected an answer of at most ${limit} bytes, got more`);
    chunks.push(chunk);
    await onChunk(chunk.length);
  }
  return Buffer.concat(chunks);
};

/** What a refusal says, in its own words where it has some. */
const refusalOf = async (response: IncomingMessage): Promise<ApiError> => {
  const detail = (await collect(response)).toString('utf8');
  const status = response.statusCode ?? 0;
  const unnamed = { type: 'about:blank', title: 'refused', status, code: 'blob-refused', detail };
  if (response.headers['content-type']?.startsWith(PROBLEM_CONTENT_TYPE) !== true) return new ApiError(unnamed);
  const said = problemSchema.safeParse(JSON.parse(detail));
  return new ApiError(said.success ? said.data : unnamed);
};

type Sent = Omit<Parameters<Fetch>[1], 'body'> & { readonly body?: string | Uint8Array };

/** As Node's own, for one device; where the clock is known to be wrong the server is checked by hand, before anything is sent. */
class FleetAgent extends Agent {
  readonly #credentials: LinkCredentials;
  readonly #floor: () => number;

  constructor(credentials: LinkCredentials, floor: () => number) {
    super({ keepAlive: true, maxSockets: 2 });
    this.#credentials = credentials;
    this.#floor = floor;
  }

  override createConnection(
    options: Parameters<Agent['createConnection']>[0],
    callback: NonNullable<Parameters<Agent['createConnection']>[1]>,
  ): Duplex | null | undefined {
    const floor = this.#floor();
    if (!isClockBehind(floor)) {
      const secured = { ...options, secureContext: secureContextOf(this.#credentials) };
      return super.createConnection(secured as typeof options, callback);
    }
    const { host, port } = options as { readonly host: string; readonly port: number | string };
    openTls({ credentials: this.#credentials, host, port: Number(port), floor }).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, undefined as never),
    );
    return undefined;
  }
}

/** The device plane over HTTPS with mutual TLS; the fleet CA is the only one that counts. */
export class DeviceApi {
  readonly #baseUrl: string;
  readonly #floor: () => number;
  readonly #limit: DownloadLimit | undefined;
  #agent: Agent;

  /**
   * @param floor a time that is known to have passed, ms since 1970
   * @param limit for what is downloaded with `bytes`; whoever reads a `stream` keeps to it
   */
  constructor(
    baseUrl: string,
    credentials: LinkCredentials,
    floor: () => number = () => 0,
    limit: DownloadLimit | undefined = undefined,
  ) {
    this.#baseUrl = baseUrl;
    this.#limit = limit;
    this.#floor = floor;
    this.#agent = new FleetAgent(credentials, floor);
  }

  /** Shows itself with these from the next connection on; requests that are under way end as they began. */
  use(credentials: LinkCredentials): void {
    const before = this.#agent;
    this.#agent = new FleetAgent(credentials, this.#floor);
    for (const idle of Object.values(before.freeSockets).flat()) idle?.destroy();
  }

  /** Calls a route of the device plane. @throws ApiError what the control plane refused; Error when it was not reached */
  call<R extends Route>(route: R, input: RouteInput<R>): Promise<RouteOutput<R>> {
    const client = createClient({ route }, { baseUrl: this.#baseUrl, fetch: (url, init) => this.#fetch(url, init) });
    return client.route(input);
  }

  /** Calls a route that takes bytes. @throws as `call` */
  upload<R extends Route>(route: R, input: RouteInput<R>, bytes: Uint8Array): Promise<RouteOutput<R>> {
    const client = createClient(
      { route },
      {
        baseUrl: this.#baseUrl,
        headers: { 'content-type': route.upload ?? 'application/octet-stream' },
        fetch: (url, init) => this.#fetch(url, { ...init, body: bytes }),
      },
    );
    return client.route(input);
  }

  /**
   * The bytes at a path, at most `limit` of them.
   * @param patienceMs for all of it, without the time for which the device keeps to its own rate
   * @throws as `call`, or when there are more
   */
  async bytes(path: string, limit: number, patienceMs: number, signal?: AbortSignal): Promise<Buffer> {
    const patience = new Patience(patienceMs);
    const both = signal === undefined ? patience.signal : AbortSignal.any([signal, patience.signal]);
    try {
      const response = await this.stream(path, 0, both);
      return await collect(response, limit, (bytes) => this.#limit?.take(bytes, both, patience));
    } finally {
      patience.end();
    }
  }

  /** Opens a stream of a path, from byte `start` on. The caller reads or destroys it. */
  async stream(path: string, start: number, signal: AbortSignal): Promise<IncomingMessage> {
    const headers: Record<string, string> = start === 0 ? {} : { range: `bytes=${start}-` };
    const response = await this.#send(`${this.#baseUrl}${path}`, { method: 'GET', headers }, signal);
    if (response.statusCode === 200 || response.statusCode === 206) return response;
    throw await refusalOf(response);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #fetch(url: string, init: Sent): ReturnType<Fetch> {
    const patienceMs = REQUEST_TIMEOUT_MS + Math.ceil((init.body?.length ?? 0) / SLOWEST_BYTES_PER_MS);
    const response = await this.#send(url, init, AbortSignal.timeout(patienceMs));
    const text = (await collect(response)).toString('utf8');
    const status = response.statusCode ?? 0;
    return {
      ok: status >= 200 && status < 300,
      status,
      headers: { get: (name) => String(response.headers[name] ?? '') },
      text: async () => text,
    };
  }

  #send(url: string, init: Sent, signal: AbortSignal): Promise<IncomingMessage> {
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
