import { deviceRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { DeviceId } from '../../infra/http/device-id.ts';
import { badRequest } from '../../infra/problem.ts';
import { ParticipationsService } from './participations.service.ts';
import { UpdatesService } from './updates.service.ts';

/** What devices ask and answer in federated rounds. */
@Controller()
export class DeviceRoundsController {
  constructor(
    @Inject(ParticipationsService) private readonly participations: ParticipationsService,
    @Inject(UpdatesService) private readonly updates: UpdatesService,
  ) {}

  @ApiRoute(deviceRoutes.roundTask)
  task(@DeviceId() deviceId: string) {
    return this.participations.taskOf(deviceId);
  }

  @ApiRoute(deviceRoutes.roundAggregate)
  async aggregate(
    @DeviceId() deviceId: string,
    @Checked() { params }: RouteRequest<typeof deviceRoutes.roundAggregate>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { sha256, bytes } = await this.participations.aggregateFor(deviceId, params.id);
    await reply.header('etag', `"${sha256}"`).type('application/octet-stream').send(bytes);
  }

  @ApiRoute(deviceRoutes.sendUpdate)
  async sendUpdate(
    @DeviceId() deviceId: string,
    @Checked() { params, query }: RouteRequest<typeof deviceRoutes.sendUpdate>,
    @Req() request: FastifyRequest<{ Body: AsyncIterable<Uint8Array> }>,
  ): Promise<void> {
    if (!request.headers['content-type']?.startsWith('application/octet-stream')) {
      throw badRequest('update-type', 'Expected the update as application/octet-stream: float32, little endian.');
    }
    await this.updates.take(deviceId, params.id, query, request.body);
  }

  @ApiRoute(deviceRoutes.sendEvaluation)
  sendEvaluation(
    @DeviceId() deviceId: string,
    @Checked() { params, body }: RouteRequest<typeof deviceRoutes.sendEvaluation>,
  ): Promise<void> {
    return this.participations.takeEvaluation(deviceId, params.id, body);
  }

  @ApiRoute(deviceRoutes.declineRound)
  decline(
    @DeviceId() deviceId: string,
    @Checked() { params, body }: RouteRequest<typeof deviceRoutes.declineRound>,
  ): Promise<void> {
    return this.participations.decline(deviceId, params.id, body);
  }
}
