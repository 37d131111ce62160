import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { WaitingUpdate } from '../fleet-member.ts';
import { type ConsentDecision, LONGEST_LATER_S } from '../update/holding.ts';
import { LocalProblem, problemAnswer } from './local-problem.ts';
import type { ResultStream } from './result-stream.ts';
import { listenOnSocket } from './socket-file.ts';

const LARGEST_BODY_BYTES = 16 * 1024;

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
  /** Keeps the right answer to a frame. @returns how many are kept @throws FeedbackError */
  readonly feedback: (id: string, label: string) => Promise<number>;
  /** The update that is here and does not serve yet; null when there is none. */
  readonly waiting: () => WaitingUpdate | null;
  /** An application allows it, or puts it off. @throws ConsentError */
  readonly decide: (decision: ConsentDecision) => Promise<void>;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

/** HTTP on a Unix socket for the applications on the board. Whoever may open the socket may ask everything. */
export class LocalApi {
  readonly #source: LocalApiSource;
  readonly #log: Logger;
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #routes: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
    '/healthz': { GET: (_, response) => sendJson(response, 200, this.#source.health()) },
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
  }

  /** @throws SocketPathError; what the disk throws */
  async start(path: string): Promise<void> {
    await listenOnSocket(this.#server, path);
    this.#server.on('error', (error) => this.#log.warn({ err: error }, 'the local API'));
  }

  /** Ends all connections; the socket's file is gone then. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#source.results.end();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
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
      const { status, headers, body, isForeseen } = problemAnswer(error);
      if (!isForeseen) this.#log.error({ err: error }, 'a local request failed');
      if (response.headersSent) {
        response.destroy();
        return;
      }
      // What is left of a body that is not wanted would be read as the next request.
      if (!request.complete) response.setHeader('connection', 'close');
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

const sendJson = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

/** @throws LocalProblem */
const readJson = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = [];
  let length = 0;
  // Whoever sends too much gets an answer, too: leaving the loop must not end the connection.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LARGEST_BODY_BYTES) {
      throw new LocalProblem(
        413,
        'body-too-large',
        `Expected a body of at most ${LARGEST_BODY_BYTES} bytes, got more.`,
      );
    }
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new LocalProblem(400, 'body-invalid', `Expected JSON as the body, got ${length} bytes that are none.`);
  }
};
