import { adminRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { Callers, proofOf } from '../access/callers.ts';
import { DevicesService } from '../devices/devices.service.ts';
import { LiveService } from './live.service.ts';

@Controller()
export class LiveController {
  constructor(
    @Inject(LiveService) private readonly live: LiveService,
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(Callers) private readonly callers: Callers,
  ) {}

  @ApiRoute(adminRoutes.events)
  async events(
    @Checked() { query }: RouteRequest<typeof adminRoutes.events>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (query.device !== undefined) await this.devices.summary(query.device);
    const proof = proofOf(request);
    const lastEventId = request.headers['last-event-id'];
    const stream = await this.live.open({
      deviceId: query.device,
      lastEventId: Array.isArray(lastEventId) ? lastEventId.at(-1) : lastEventId,
      stillAllowed: () => this.callers.stillKnow(proof),
    });
    await reply
      .type('text/event-stream; charset=utf-8')
      .headers({
        'cache-control': 'no-store',
        // A connection carries one stream to its end, so that nothing waits for it when the control plane stops.
        connection: 'close',
        // nginx keeps answers back until they are whole, unless told otherwise.
        'x-accel-buffering': 'no',
      })
      .send(stream.body);
  }
}
