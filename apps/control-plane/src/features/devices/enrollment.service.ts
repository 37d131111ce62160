import { randomBytes } from 'node:crypto';
import type { EnrollRequest, EnrollResponse } from '@aviary/protocol';
import type { Database } from '../../infra/database.ts';
import type { FleetCa } from '../fleet-ca/fleet-ca.ts';
import type { TrustService } from '../trust/trust.service.ts';
import type { DevicesService } from './devices.service.ts';

const ID_ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
const ID_LENGTH = 10;

const newDeviceId = (): string =>
  `d-${Array.from(randomBytes(ID_LENGTH), (byte) => ID_ALPHABET[byte % ID_ALPHABET.length]).join('')}`;

/** Makes a device of a board: a one-use secret, a key that it proves to hold, and what it is. */
export class EnrollmentService {
  constructor(
    private readonly database: Database,
    private readonly devices: DevicesService,
    private readonly ca: FleetCa,
    private readonly trust: TrustService,
    private readonly mqttUrl: string,
  ) {}

  /** All or nothing: a secret is used up only if its device was made. */
  async enroll(request: EnrollRequest): Promise<EnrollResponse> {
    const root = await this.trust.rootForDevices();
    const deviceId = newDeviceId();
    const certificate = await this.ca.issueDevice(request.csr, deviceId);
    await this.database.transaction(async (sql) => {
      const labels = await this.devices.useJoinSecret(sql, request.secret, deviceId);
      const { name, facts, recipient } = request;
      await this.devices.add(sql, { id: deviceId, name, labels, facts, recipient, certificate });
    });
    return {
      deviceId,
      epoch: 1,
      certificate: certificate.pem,
      fleetCa: this.ca.pem,
      mqttUrl: this.mqttUrl,
      root,
    };
  }
}
