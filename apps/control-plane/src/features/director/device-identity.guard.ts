import type { TLSSocket } from 'node:tls';
import { type CanActivate, createParamDecorator, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '../../infra/problem.ts';
import { DevicesService } from '../devices/devices.service.ts';

type WithDevice = FastifyRequest & { deviceId?: string };

/**
 * The device port asks for a certificate without demanding it, because joining needs none; every other route demands
 * it here: issued by the fleet CA, not expired, and the device's current one.
 */
@Injectable()
export class DeviceIdentityGuard implements CanActivate {
  constructor(@Inject(DevicesService) private readonly devices: DevicesService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<WithDevice>();
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

/** The device that the certificate names. */
export const DeviceId = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const { deviceId } = context.switchToHttp().getRequest<WithDevice>();
  if (deviceId === undefined) throw new Error('DeviceId needs DeviceIdentityGuard on the route');
  return deviceId;
});
