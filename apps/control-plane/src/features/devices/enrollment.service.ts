import { randomBytes } from 'node:crypto';
import type { DeviceFacts } from '@aviary/hardware';
import type { EnrollChallenge, EnrollRequest, EnrollResponse } from '@aviary/protocol';
import type { Database, Sql } from '../../infra/database.ts';
import { conflict } from '../../infra/problem.ts';
import type { FleetCa } from '../fleet-ca/fleet-ca.ts';
import type { TrustService } from '../trust/trust.service.ts';
import type { DevicesService } from './devices.service.ts';
import type { Admission, JoinTokensService } from './join-tokens.service.ts';
import type { JoiningKeysService } from './joining-keys.service.ts';
import type { RecipientChallenge } from './recipient-challenge.ts';

const ID_ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
const ID_LENGTH = 10;

const newDeviceId = (): string =>
  `d-${Array.from(randomBytes(ID_LENGTH), (byte) => ID_ALPHABET[byte % ID_ALPHABET.length]).join('')}`;

/** Makes a device of a board: something that lets it in, keys that it proves to hold, and what it is. */
export class EnrollmentService {
  constructor(
    private readonly database: Database,
    private readonly devices: DevicesService,
    private readonly tokens: JoinTokensService,
    private readonly keys: JoiningKeysService,
    private readonly challenges: RecipientChallenge,
    private readonly ca: FleetCa,
    private readonly trust: TrustService,
    private readonly mqttUrl: string,
  ) {}

  /** @throws ProblemError `csr-invalid`, `recipient-invalid` */
  async challenge(subject: Pick<EnrollRequest, 'csr' | 'recipient'>): Promise<EnrollChallenge> {
    await this.ca.keyOf(subject.csr);
    return this.challenges.make(subject);
  }

  /**
   * All or nothing: what let the board in is used up only if its device was made.
   * @param address from where it is asked
   */
  async enroll(request: EnrollRequest, address: string): Promise<EnrollResponse> {
    const root = await this.trust.rootForDevices();
    const fingerprint = await this.ca.keyOf(request.csr);
    this.challenges.check(request, request.proof);
    if (request.secret === undefined) {
      await this.keys.ask({ fingerprint, name: request.name, facts: request.facts, address });
    }
    const made = await this.database.transaction((sql) => this.admit(sql, request, fingerprint));
    return {
      ...made,
      fleetCa: this.ca.pem,
      mqttUrl: this.mqttUrl,
      root,
    };
  }

  private async admit(sql: Sql, request: EnrollRequest, fingerprint: string) {
    const { secret, facts, recipient } = request;
    const newId = newDeviceId();
    const admission =
      secret === undefined ? await this.keys.use(sql, fingerprint) : await this.tokens.use(sql, secret, newId);
    this.demandProfile(admission, facts);
    demandSameDevice(admission, request.deviceId);
    const id = admission.deviceId ?? newId;
    const certificate = await this.ca.issueDevice(request.csr, id);
    const device = { id, labels: admission.labels, facts, recipient, certificate };
    let epoch = 1;
    if (admission.deviceId === null) await this.devices.add(sql, { ...device, name: admission.name ?? request.name });
    else epoch = await this.devices.readmit(sql, device);
    if (secret === undefined) await this.keys.used(sql, fingerprint, id);
    return { deviceId: id, epoch, certificate: certificate.pem };
  }

  private demandProfile({ profile }: Admission, facts: DeviceFacts): void {
    if (profile === null) return;
    const match = this.devices.match(facts);
    if (match.profile?.id === profile) return;
    const found = match.profile === null ? 'no profile' : `the profile ${match.profile.id}`;
    throw conflict(
      'profile-mismatch',
      `Only a board of the profile ${profile} may join with this; the facts of this one match ${found} (${match.reasons.join('; ')}). Use what was made for such a board.`,
    );
  }
}

/** A board that is a device already must not become another one by mistake, nor take another one's place. */
const demandSameDevice = ({ deviceId }: Admission, current: string | undefined): void => {
  if (current === undefined || deviceId === current) return;
  throw conflict(
    'board-has-identity',
    deviceId === null
      ? `This board is device ${current} already, and what it joins with is for a new device. To join again as ${current}: aviary device enroll-token --device ${current}`
      : `This board is device ${current}, and the token is for ${deviceId}. Use a token for it: aviary device enroll-token --device ${current}`,
  );
};
