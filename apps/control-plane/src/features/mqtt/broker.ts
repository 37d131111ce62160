import type { DownChannel, UpChannel } from '@aviary/protocol';
import type { CertificatesService, DeviceSession } from '../devices/certificates.service.ts';

/**
 * What stands between devices and a gateway: the broker that the gateway embeds, or one that it is a client of. With
 * both, a topic names the device whose certificate was shown, and no payload does.
 */
export interface Broker {
  /** Resolves when devices, or messages, can come in; those of an external broker may come later. */
  start(): Promise<void>;
  /**
   * Sends to one device. Settles when it is out of our hands: an external broker has acknowledged it, the embedded one
   * has given it to the device, or has seen that the device is not connected.
   * @throws BrokerUnavailableError when it has to be sent again
   */
  send(deviceId: string, channel: DownChannel, payload: unknown): Promise<void>;
  /**
   * Ends the connections of devices whose certificates do not count any more, and keeps out, or lets in again, whom only
   * the broker can.
   * @throws BrokerUnavailableError when it has to be asked again
   */
  enforce(certificates: CountingCertificates): Promise<void>;
  stop(): Promise<void>;
}

/** Which certificates count. */
export type CountingCertificates = Pick<CertificatesService, 'fallen' | 'revoked'>;

/** The broker does not answer, or not as expected. It is tried again. */
export class BrokerUnavailableError extends Error {
  readonly code = 'broker-unavailable';
}

/** What the rest of the gateway does with what devices send. */
export interface DeviceMessages {
  /** Whether a certificate may (still) connect; an external broker decides that itself. */
  admit(session: DeviceSession): Promise<boolean>;
  /**
   * Settles once the message is durable, or once it is clear that its device has to send it again; PUBACK waits for it. A
   * rejection ends the connection.
   */
  receive(deviceId: string, channel: UpChannel, payload: Buffer): Promise<void>;
  /** The connection of a device has ended. */
  gone(deviceId: string): void;
}
