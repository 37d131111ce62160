import type { DeviceFacts } from '@aviary/hardware';
import { ageRecipientOf } from '@aviary/release';
import { requestFor } from '../identity/credentials.ts';
import { enroll, fetchFleetCa, type Invitation } from '../identity/enroll.ts';
import type { Identity } from '../identity/identity.ts';
import { makeBoardKeys } from '../identity/prepared-keys.ts';

/** Certificates of fleets by their fingerprints: the handshake that fetches one is made once for all devices. */
const trusted = new Map<string, Promise<{ readonly fleetCa: string }>>();

const trustOf = (invitation: Invitation): Promise<{ readonly fleetCa: string }> => {
  const { url, caFingerprint } = invitation;
  const name = `${url} ${caFingerprint}`;
  const known = trusted.get(name) ?? fetchFleetCa(invitation).then((fleetCa) => ({ fleetCa }));
  trusted.set(name, known);
  known.catch(() => trusted.delete(name));
  return known;
};

/** Makes a device's keys and has the control plane name it, as `joinFleet` does; nothing of it is written to a disk. */
export const joinSimulated = async (invitation: Invitation, name: string, facts: DeviceFacts): Promise<Identity> => {
  const trust = await trustOf(invitation);
  const { key, ageIdentity, keeping } = await makeBoardKeys({});
  const asking = {
    ...(invitation.secret === undefined ? {} : { secret: invitation.secret }),
    csr: await requestFor(key),
    recipient: ageRecipientOf(ageIdentity),
    name,
    facts,
  };
  const {
    certificate,
    fleetCa: _,
    ...enrolment
  } = await enroll(invitation, trust, asking, { key, ageIdentity }, () => undefined);
  return { ...enrolment, deviceUrl: invitation.url, certificate, key, ageIdentity, fleetCa: trust.fleetCa, keeping };
};
