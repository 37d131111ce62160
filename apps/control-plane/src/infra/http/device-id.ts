import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** A request on the device plane; the guard there puts in who sends it. */
export type RequestOfDevice = FastifyRequest & { deviceId?: string };

/** The device that the certificate names. */
export const DeviceId = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const { deviceId } = context.switchToHttp().getRequest<RequestOfDevice>();
  if (deviceId === undefined) throw new Error('DeviceId needs the guard of the device plane');
  return deviceId;
});
