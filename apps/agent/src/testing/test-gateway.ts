import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { generate, type Packet, parser } from 'mqtt-packet';
import type { KeyPair } from './fleet-pki.ts';

/** Stands for the gateway, another process: speaks MQTT 3.1.1 over mutual TLS, and remembers what it was told. */
export class TestGateway {
  /** Certificate names of those who connected, in order. */
  readonly connected: string[] = [];
  /** Fingerprints of their certificates. */
  readonly certificates: string[] = [];
  /** How often somebody came, whatever became of it. */
  handshakes = 0;
  readonly published: { readonly topic: string; readonly payload: string }[] = [];
  /** What it does with whoever connects. */
  manner: 'accepts' | 'refuses' | 'is silent' | 'accepts no subscription' = 'accepts';
  /** Told of each message that came, before it is acknowledged. */
  onPublished: (topic: string, payload: string) => void = () => undefined;
  #sockets = new Set<TLSSocket>();
  #server: Server | undefined;

  async start(fleetCa: string, { key, certificate }: KeyPair, port = 0): Promise<number> {
    const options = { key, cert: certificate, ca: fleetCa, requestCert: true, minVersion: 'TLSv1.3' } as const;
    const server = createServer(options, (socket) => this.#serve(socket));
    server.on('tlsClientError', () => undefined);
    server.on('connection', () => {
      this.handshakes += 1;
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  /** Tells every device. */
  publish(topic: string, payload: string): void {
    for (const socket of this.#sockets) {
      socket.write(generate({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false }));
    }
  }

  /** Ends all connections, as a gateway that dies. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    this.drop();
    await closed;
  }

  #serve(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    const packets = parser();
    packets.on('packet', (packet: Packet) => this.#answer(socket, packet));
    socket.on('data', (chunk: Buffer) => packets.parse(chunk));
  }

  #answer(socket: TLSSocket, packet: Packet): void {
    if (packet.cmd === 'connect') {
      const { subject, fingerprint256 } = socket.getPeerCertificate();
      this.connected.push(String(subject?.CN));
      this.certificates.push(fingerprint256);
      if (this.manner === 'refuses') socket.destroy();
      else if (this.manner !== 'is silent')
        socket.write(generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }));
    } else if (packet.cmd === 'subscribe') {
      const granted = this.manner === 'accepts no subscription' ? [128] : [0];
      socket.write(generate({ cmd: 'suback', messageId: packet.messageId ?? 0, granted }));
    } else if (packet.cmd === 'publish') {
      const payload = packet.payload.toString();
      this.published.push({ topic: packet.topic, payload });
      this.onPublished(packet.topic, payload);
      if (packet.messageId !== undefined) socket.write(generate({ cmd: 'puback', messageId: packet.messageId }));
    } else if (packet.cmd === 'pingreq') {
      socket.write(generate({ cmd: 'pingresp' }));
    }
  }
}
