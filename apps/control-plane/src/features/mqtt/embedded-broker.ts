import { createServer, type Server, type TLSSocket } from 'node:tls';
import {
  type DownChannel,
  deviceIdSchema,
  deviceTopics,
  downTopic,
  isProbeId,
  MAX_PACKET_BYTES,
  mayDeviceSubscribe,
  parseUpTopic,
} from '@aviary/protocol';
import { Aedes, type Client } from 'aedes';
import type { Logger } from '../../infra/log.ts';
import type { DeviceSession } from '../devices/certificates.service.ts';
import type { TlsIdentity } from '../fleet-ca/fleet-ca.ts';
import type { Broker, CountingCertificates, DeviceMessages } from './broker.ts';
import { LimitedConnection } from './limited-connection.ts';

/** A subscriber that takes nothing for so long is let go, so that it cannot hold up the others. */
const DRAIN_TIMEOUT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 10_000;
const LONGEST_KEEPALIVE_S = 120;
const CLOSE_DEADLINE_MS = 3_000;

const peerOf = (socket: TLSSocket): DeviceSession | undefined => {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  const { data: deviceId } = deviceIdSchema.safeParse(certificate.subject?.CN);
  if (deviceId === undefined) return undefined;
  return { deviceId, fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase() };
};

/**
 * The embedded MQTT broker: mutual TLS only, identity from the certificate and from nothing else, and a device may
 * publish and subscribe to nothing but its own topics.
 */
export class EmbeddedBroker implements Broker {
  private readonly peers = new WeakMap<Client, DeviceSession>();
  /** Those that were ended here: nothing that they say counts, their last will included. */
  private readonly ended = new WeakSet<Client>();
  private readonly clients = new Map<string, Client>();
  private aedes: Aedes | undefined;
  private server: Server | undefined;

  constructor(
    private readonly identity: TlsIdentity,
    private readonly messages: DeviceMessages,
    private readonly where: { readonly host: string; readonly port: number },
    private readonly log: Logger,
  ) {}

  async start(): Promise<void> {
    const waiting = new WeakMap<object, DeviceSession>();
    const aedes = new Aedes({
      drainTimeout: DRAIN_TIMEOUT_MS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepaliveLimit: LONGEST_KEEPALIVE_S,
      maxTopicLevels: 8,
      preConnect: (client, packet, callback) => {
        const peer = waiting.get(client.conn);
        // Sessions are clean: the broker's offline queue has no bound, and a device re-reads its state instead.
        if (peer === undefined || packet.clientId !== peer.deviceId || packet.clean !== true) {
          this.log.warn(
            { device: peer?.deviceId, clientId: packet.clientId },
            'refused: client id or session not as expected',
          );
          callback(new Error('client id must be the certificate’s common name, with a clean session'), false);
          return;
        }
        const will = packet.will;
        if (will !== undefined && will.topic !== deviceTopics(peer.deviceId).presence) {
          callback(new Error('a will may only say that the device itself is gone'), false);
          return;
        }
        this.peers.set(client, peer);
        callback(null, true);
      },
      authenticate: (client, _user, _password, done) => {
        const peer = this.peers.get(client);
        if (peer === undefined) return done(null, false);
        this.messages.admit(peer).then(
          (admitted) => {
            if (!admitted) this.log.warn({ device: peer.deviceId }, 'refused: not a certificate of an enrolled device');
            done(null, admitted);
          },
          (error: unknown) => {
            this.log.error({ err: error }, 'could not check a device');
            done(null, false);
          },
        );
      },
      authorizePublish: (client, packet, callback) => {
        if (client !== null && this.ended.has(client)) return callback(new Error('this session was ended'));
        const target = parseUpTopic(packet.topic);
        // Without a client it is a will that the broker kept; it was checked when its device connected.
        const sender = client === null ? target?.deviceId : this.peers.get(client)?.deviceId;
        if (target === undefined || target.deviceId !== sender) {
          this.log.warn({ device: sender, topic: packet.topic }, 'refused: not a topic of this device');
          callback(new Error('a device publishes to its own up/ topics only'));
          return;
        }
        // The database keeps what is said; nobody would ever read it here.
        packet.retain = false;
        this.messages.receive(target.deviceId, target.channel, Buffer.from(packet.payload)).then(
          () => callback(null),
          (error: unknown) => {
            this.log.warn(
              { device: sender, error: String(error) },
              'a message was not taken; the device will send it again',
            );
            callback(error instanceof Error ? error : new Error(String(error)));
          },
        );
      },
      authorizeSubscribe: (client, subscription, callback) => {
        const sender = this.peers.get(client)?.deviceId;
        if (sender !== undefined && mayDeviceSubscribe(sender, subscription.topic)) callback(null, subscription);
        else {
          this.log.warn({ device: sender, filter: subscription.topic }, 'refused: not a topic of this device');
          callback(null, null);
        }
      },
    });
    aedes.on('clientReady', (client) => this.clients.set(client.id, client));
    aedes.on('clientDisconnect', (client) => {
      if (this.clients.get(client.id) !== client) return;
      this.clients.delete(client.id);
      this.messages.gone(client.id);
    });
    aedes.on('clientError', (client, error) =>
      this.log.debug({ device: client?.id, error: error.message }, 'connection error'),
    );
    aedes.on('connectionError', (client, error) =>
      this.log.debug({ device: client?.id, error: error.message }, 'connection error'),
    );
    await aedes.listen();

    const server = createServer(
      {
        key: this.identity.key,
        cert: this.identity.cert,
        ca: this.identity.ca,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.3',
      },
      (socket) => {
        const peer = peerOf(socket);
        if (peer === undefined) return void socket.destroy();
        socket.setNoDelay(true);
        const connection = new LimitedConnection(socket, MAX_PACKET_BYTES);
        connection.on('error', (error) =>
          this.log.debug({ device: peer.deviceId, error: error.message }, 'connection ended'),
        );
        waiting.set(connection, peer);
        aedes.handle(connection);
      },
    );
    server.on('tlsClientError', (error) => this.log.debug({ error: error.message }, 'TLS handshake refused'));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.where.port, this.where.host, resolve);
    });
    this.aedes = aedes;
    this.server = server;
  }

  async send(deviceId: string, channel: DownChannel, payload: unknown): Promise<void> {
    const topic = downTopic(deviceId, channel);
    this.clients
      .get(deviceId)
      ?.publish(
        { cmd: 'publish', topic, payload: JSON.stringify(payload), qos: 0, retain: false, dup: false },
        () => undefined,
      );
  }

  async enforce(certificates: CountingCertificates): Promise<void> {
    const sessions = [...this.clients.values()].flatMap((client) => this.peers.get(client) ?? []);
    const ofDevices = sessions.filter(({ deviceId }) => !isProbeId(deviceId));
    const fallen = ofDevices.length === 0 ? [] : await certificates.fallen(ofDevices);
    for (const { deviceId, fingerprint } of fallen) {
      const client = this.clients.get(deviceId);
      // It may have come again meanwhile, with another certificate.
      if (client === undefined || this.peers.get(client)?.fingerprint !== fingerprint) continue;
      this.log.info({ device: deviceId }, 'its certificate does not count any more: the session is ended');
      this.ended.add(client);
      client.close();
    }
  }

  async stop(): Promise<void> {
    this.server?.close();
    const aedes = this.aedes;
    if (aedes === undefined) return;
    await Promise.race([
      new Promise<void>((resolve) => aedes.close(() => resolve())),
      new Promise((resolve) => setTimeout(resolve, CLOSE_DEADLINE_MS)),
    ]);
  }
}
