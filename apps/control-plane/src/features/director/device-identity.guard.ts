import type { TLSSocket } from 'node:tls';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { RequestOfDevice } from '../../infra/http/device-id.ts';
import { ProblemError } from '../../infra/problem.ts';
import type { DevicesService } from '../devices/devices.service.ts';

/**
 * The device port asks for a certificate without demanding it, because joining needs none; every other route demands
 * it here: issued by the fleet CA, not expired, and the device's current one.
 */
export class DeviceIdentityGuard implements CanActivate {
  constructor(private readonly devices: DevicesService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
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
    if (!socket.authorized) {
      throw new ProblemError(
        401,
        'certificate-refused',
        `Expected a certificate of this fleet’s CA that has not expired; the TLS layer says ${socket.authorizationError}.`,
      );
    }
    const deviceId = certificate.subject.CN;
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    if (typeof deviceId !== 'string' || !(await this.devices.hasCertificate(deviceId, fingerprint))) {
      throw new ProblemError(
        403,
        'device-unknown',
        `No device of this fleet has this certificate (it names "${deviceId}"). Join again with a new token.`,
      );
    }
    request.deviceId = deviceId;
    return true;
  }
}
