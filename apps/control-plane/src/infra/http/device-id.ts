import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** A request on the device plane; the guard there puts in who sends it. */
export type RequestOfDevice = FastifyRequest & { deviceId?: string; deviceFingerprint?: string };

const said = (context: ExecutionContext, part: 'deviceId' | 'deviceFingerprint'): string => {
  const value = context.switchToHttp().getRequest<RequestOfDevice>()[part];
  if (value === undefined) throw new Error(`${part} needs the guard of the device plane`);
  return value;
};

/** The device that the certificate names. */
export const DeviceId = createParamDecorator((_: unknown, context: ExecutionContext) => said(context, 'deviceId'));

/** SHA-256 over the DER of the certificate with which it came, hex. */
export const DeviceFingerprint = createParamDecorator((_: unknown, context: ExecutionContext) =>
  said(context, 'deviceFingerprint'),
);
