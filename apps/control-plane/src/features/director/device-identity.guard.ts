import type { TLSSocket } from 'node:tls';
import { deviceRoutes } from '@aviary/protocol';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { routeOf } from '../../infra/http/api-route.ts';
import type { RequestOfDevice } from '../../infra/http/device-id.ts';
import { ProblemError } from '../../infra/problem.ts';
import { type CertificatesService, GRACE_SECONDS } from '../devices/certificates.service.ts';

const DAY_S = 86_400;

/**
 * The device port asks for a certificate without demanding it, because joining needs none. Every other route demands it
 * here: issued by the fleet CA, the device's current one, not revoked, and not expired; renewal alone takes an expired one,
 * for a time. Looked up at each request, so that a kept-alive connection does not outlive its certificate.
 */
export class DeviceIdentityGuard implements CanActivate {
  constructor(private readonly certificates: Pick<CertificatesService, 'standing'>) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const route = routeOf(context.getHandler());
    if (route?.access === 'public') return true;
    const request = context.switchToHttp().getRequest<RequestOfDevice>();
    const socket = request.raw.socket as TLSSocket;
    const certificate = socket.getPeerCertificate();
    if (certificate.subject === undefined) {
      throw new ProblemError(
        401,
        'certificate-missing',
        'Expected a device certificate in the TLS handshake. Join first: aviary-agent join',
      );
    }
    const expired = Date.parse(certificate.valid_to) <= Date.now();
    if (!socket.authorized && !expired) {
      throw new ProblemError(
        401,
        'certificate-refused',
        `Expected a certificate of this fleet’s CA that has not expired; the TLS layer says ${socket.authorizationError}.`,
      );
    }
    const deviceId = String(certificate.subject.CN);
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    const { status, expiredSeconds } = await this.certificates.standing({ deviceId, fingerprint });
    if (status === 'unknown') {
      throw new ProblemError(
        403,
        'device-unknown',
        `No device of this fleet has this certificate (it names "${deviceId}"). It was never issued here, or another one has replaced it. Join again with a new token: aviary device enroll-token --device ${deviceId}`,
      );
    }
    if (status === 'revoked') {
      throw new ProblemError(
        403,
        'device-revoked',
        `Device ${deviceId} was revoked. To take it back in: aviary device enroll-token --device ${deviceId}`,
      );
    }
    const mayRenew = route === deviceRoutes.renew && expiredSeconds <= GRACE_SECONDS;
    if ((status === 'expired' || expired) && !mayRenew) {
      const hint =
        expiredSeconds <= GRACE_SECONDS
          ? 'Renew it: the agent does so by itself.'
          : `It may be renewed for ${GRACE_SECONDS / DAY_S} days only. Join again with: aviary device enroll-token --device ${deviceId}`;
      throw new ProblemError(401, 'certificate-expired', `The certificate of device ${deviceId} has expired. ${hint}`);
    }
    request.deviceId = deviceId;
    request.deviceFingerprint = fingerprint;
    return true;
  }
}
