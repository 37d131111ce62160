import type { RequestListener } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestPki } from './fleet-pki.ts';

/** A server as devices of a fleet reach it: on 127.0.0.1, over TLS 1.3, where both sides show a certificate of the fleet. */
export class FleetServer {
  readonly #answer: RequestListener;
  readonly #tls: ServerOptions;
  #server: Server | undefined;

  /** @param tls what is to be another way */
  constructor(answer: RequestListener, tls: ServerOptions = {}) {
    this.#answer = answer;
    this.#tls = tls;
  }

  /** @param port 0: the system chooses. @returns its address */
  async start({ fleetCa, server: { key, certificate } }: TestPki, port = 0): Promise<string> {
    const tls = {
      key,
      cert: certificate,
      ca: fleetCa,
      requestCert: true,
      minVersion: 'TLSv1.3',
      ...this.#tls,
    } as const;
    const server = createServer(tls, this.#answer);
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Ends all connections, too. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    this.#server?.closeAllConnections();
    await closed;
  }
}
