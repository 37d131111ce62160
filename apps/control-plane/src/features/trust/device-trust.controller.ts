import { deviceRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { TrustService } from './trust.service.ts';

/** Everything here is signed, and the same for every device. */
@Controller()
export class DeviceTrustController {
  constructor(@Inject(TrustService) private readonly trust: TrustService) {}

  @ApiRoute(deviceRoutes.metadata)
  async metadata(
    @Checked() { params }: RouteRequest<typeof deviceRoutes.metadata>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await reply.type('application/json').send(await this.trust.metadataFile(params.file));
  }

  @ApiRoute(deviceRoutes.fleetTarget)
  async target(
    @Checked() { params }: RouteRequest<typeof deviceRoutes.fleetTarget>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await reply.type('application/octet-stream').send(await this.trust.targetFile(params.sha256));
  }
}
