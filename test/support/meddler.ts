import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers in the server's place. @returns whether it did */
export type Meddle = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

/** Somebody between a client and a server, who passes everything on, and now and then does not. */
export class Meddler {
  /** Undefined: everything is passed on. */
  meddle: Meddle | undefined;
  /** Changes the address that a request goes to. */
  redirect: (url: string) => string = (url) => url;
  readonly #server: Server;

  private constructor(
    server: Server,
    private readonly behind: string,
  ) {
    this.#server = server;
    server.on('request', (request, response) => {
      this.#pass(request, response).catch((error) => response.destroy(error));
    });
  }

  /** @param behind address of the real server, e.g. `http://127.0.0.1:8080` */
  static async start(behind: string): Promise<Meddler> {
    const server = createServer();
    const meddler = new Meddler(server, behind);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return meddler;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.meddle !== undefined && (await this.meddle(request, response))) return;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers;
    const answer = await fetch(this.behind + this.redirect(request.url ?? '/'), {
      method: request.method ?? 'GET',
      headers: headers as Record<string, string>,
      ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
    });
    const body = Buffer.from(await answer.arrayBuffer());
    const kept = ['content-type', 'content-range', 'etag'].flatMap((name) => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    response.writeHead(answer.status, { ...Object.fromEntries(kept), 'content-length': body.length }).end(body);
  }
}
