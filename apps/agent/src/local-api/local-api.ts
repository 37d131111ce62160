import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { WaitingUpdate } from '../fleet-member.ts';
import { type ConsentDecision, LONGEST_LATER_S } from '../update/holding.ts';
import { type Infer, InferRoute } from './infer-route.ts';
import { LocalProblem, problemAnswer } from './local-problem.ts';
import { isFromProgram, type LoopbackAddress, listenOnLoopback } from './loopback.ts';
import { PROMETHEUS_CONTENT_TYPE } from './prometheus-text.ts';
import { readJson } from './request-body.ts';
import type { ResultStream } from './result-stream.ts';
import { listenOnSocket } from './socket-file.ts';

const feedbackSchema = z.strictObject({
  id: z.string().min(1).max(128),
  label: z.string().min(1).max(128),
});

const consentSchema = z.discriminatedUnion('decision', [
  z.strictObject({ decision: z.literal('allow'), release: z.string().optional() }),
  z.strictObject({
    decision: z.literal('later'),
    seconds: z.number().positive().max(LONGEST_LATER_S),
    release: z.string().optional(),
  }),
]);

/** What the API is about. */
export interface LocalApiSource {
  /** What serves, and what is kept. */
  readonly health: () => Readonly<Record<string, unknown>>;
  readonly results: ResultStream;
  readonly infer: Infer;
  /** Text for Prometheus. @param problems requests that could not be done, by code */
  readonly metrics: (problems: ReadonlyMap<string, number>) => Promise<string>;
  /** Keeps the right answer to a frame. @returns how many are kept @throws FeedbackError */
  readonly feedback: (id: string, label: string) => Promise<number>;
  /** The update that is here and does not serve yet; null when there is none. */
  readonly waiting: () => WaitingUpdate | null;
  /** An application allows it, or puts it off. @throws ConsentError */
  readonly decide: (decision: ConsentDecision) => Promise<void>;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

/** Where the API is; null: not there. */
export interface LocalApiPlaces {
  /** Path of a Unix socket that this user alone may open. */
  readonly socket: string | null;
  /** A port that every program on the board may open. */
  readonly listen: LoopbackAddress | null;
}

/** So long a program may take for its request and its body. */
const REQUEST_PATIENCE_MS = 60_000;
/** So long it may go on sending what is not wanted. */
const UNWANTED_BODY_MS = 2_000;

/**
 * HTTP for the applications on the board, on a Unix socket and, where that is asked for, on a port. Whoever may open one
 * of them may ask everything.
 */
export class LocalApi {
  readonly #source: LocalApiSource;
  readonly #log: Logger;
  readonly #inferRoute: InferRoute;
  readonly #problems = new Map<string, number>();
  #servers: Server[] = [];
  readonly #routes: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
    '/healthz': { GET: (_, response) => sendJson(response, 200, this.#source.health()) },
    '/metrics': { GET: (_, response) => this.#metrics(response) },
    '/v1/infer': { POST: (request, response) => this.#infer(request, response) },
    '/v1/results': { GET: (_, response) => this.#results(response) },
    '/v1/update': {
      GET: (_, response) => this.#sendWaiting(response),
      POST: (request, response) => this.#decide(request, response),
    },
    '/v1/feedback': { POST: (request, response) => this.#feedback(request, response) },
  };

  constructor(source: LocalApiSource, log: Logger) {
    this.#source = source;
    this.#log = log;
    this.#inferRoute = new InferRoute(source.infer);
  }

  /**
   * Opens what can be opened; that stays until `stop`, also where the other place fails.
   * @throws SocketPathError; ListenError; what the disk or the kernel throws
   */
  async start({ socket, listen }: LocalApiPlaces): Promise<void> {
    const opened = await Promise.allSettled([
      socket !== null && listenOnSocket(this.#serverFor(), socket),
      listen !== null && listenOnLoopback(this.#serverFor(isFromProgram), listen),
    ]);
    const failed = opened.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Ends all connections; the socket's file is gone then. */
  async stop(): Promise<void> {
    this.#source.results.end();
    const servers = this.#servers.filter((server) => server.listening);
    this.#servers = [];
    const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const server of servers) server.closeAllConnections();
    await Promise.all(closed);
  }

  /** @param isWelcome by a request's headers; everybody by default */
  #serverFor(isWelcome: (headers: IncomingHttpHeaders) => boolean = () => true): Server {
    const server = createServer(
      { requestTimeout: REQUEST_PATIENCE_MS },
      (request, response) => void this.#serve(request, response, isWelcome(request.headers)),
    );
    server.on('listening', () => {
      server.on('error', (error) => this.#log.warn({ err: error }, 'the local API'));
    });
    this.#servers.push(server);
    return server;
  }

  async #serve(request: IncomingMessage, response: ServerResponse, isWelcome: boolean): Promise<void> {
    try {
      if (!isWelcome) {
        const words = 'Expected a program on this board as 127.0.0.1 or localhost, got a web page of another origin.';
        throw new LocalProblem(403, 'origin-refused', words);
      }
      const [path = ''] = (request.url ?? '').split('?');
      const methods = this.#routes[path];
      if (methods === undefined) {
        const known = Object.keys(this.#routes).join(', ');
        throw new LocalProblem(404, 'route-unknown', `Expected one of ${known}, got "${path}".`);
      }
      const handler = methods[request.method ?? ''];
      if (handler === undefined) {
        const known = Object.keys(methods).join(', ');
        response.setHeader('allow', known);
        throw new LocalProblem(405, 'method-not-allowed', `Expected ${known} for ${path}, got ${request.method}.`);
      }
      await handler(request, response);
    } catch (error) {
      const { status, code, headers, body, isForeseen } = problemAnswer(error);
      this.#problems.set(code, (this.#problems.get(code) ?? 0) + 1);
      if (!isForeseen) this.#log.error({ err: error }, 'a local request failed');
      if (response.headersSent) {
        response.destroy();
        return;
      }
      if (!request.complete) {
        // What is left of a body that is not wanted would be read as the next request.
        response.setHeader('connection', 'close');
        // Who still sends does not listen yet, and would find the connection broken instead of an answer.
        await letSend(request);
      }
      response.writeHead(status, headers).end(body);
    }
  }

  #results(response: ServerResponse): void {
    const { results } = this.#source;
    if (results.isFull) {
      throw new LocalProblem(503, 'readers-too-many', 'As many programs read results as may; close one of them first.');
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    results.add(response);
  }

  async #infer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    sendJson(response, 200, await this.#inferRoute.answer(request, response));
  }

  async #metrics(response: ServerResponse): Promise<void> {
    const text = await this.#source.metrics(this.#problems);
    response.writeHead(200, { 'content-type': PROMETHEUS_CONTENT_TYPE }).end(text);
  }

  #sendWaiting(response: ServerResponse): void {
    sendJson(response, 200, { waiting: this.#source.waiting() });
  }

  async #decide(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parsed = consentSchema.safeParse(await readJson(request));
    if (!parsed.success) {
      const example = `{"decision": "allow"} or {"decision": "later", "seconds": 1 to ${LONGEST_LATER_S}}`;
      throw new LocalProblem(400, 'body-invalid', `Expected ${example}: ${z.prettifyError(parsed.error)}`);
    }
    await this.#source.decide(parsed.data);
    this.#sendWaiting(response);
  }

  async #feedback(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parsed = feedbackSchema.safeParse(await readJson(request));
    if (!parsed.success) {
      const example = '{"id": "<id of a result>", "label": "<the right one>"}';
      throw new LocalProblem(400, 'body-invalid', `Expected ${example}: ${z.prettifyError(parsed.error)}`);
    }
    const samples = await this.#source.feedback(parsed.data.id, parsed.data.label);
    sendJson(response, 200, { kept: true, samples });
  }
}

/** Lets a body go by, for a while. */
const letSend = (request: IncomingMessage): Promise<unknown> => {
  request.resume();
  const { promise, resolve } = Promise.withResolvers<void>();
  request.once('close', resolve).once('end', resolve);
  return Promise.race([promise, pause(UNWANTED_BODY_MS, undefined, { ref: false })]);
};

const sendJson = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};
