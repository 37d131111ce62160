import { deviceRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BLOB_STORE, type BlobStore } from '../../infra/blob-store.ts';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { DeviceId } from '../../infra/http/device-id.ts';
import { sendBlob } from '../../infra/http/send-blob.ts';
import { notFound } from '../../infra/problem.ts';
import { DirectorService } from './director.service.ts';

@Controller()
export class DirectorController {
  constructor(
    @Inject(DirectorService) private readonly director: DirectorService,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
  ) {}

  @ApiRoute(deviceRoutes.assignment)
  assignment(@DeviceId() deviceId: string) {
    return this.director.assignmentOf(deviceId);
  }

  @ApiRoute(deviceRoutes.blob)
  async blob(
    @DeviceId() deviceId: string,
    @Checked() { params }: RouteRequest<typeof deviceRoutes.blob>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const length = (await this.director.mayRead(deviceId, params.sha256))
      ? await this.blobs.length(params.sha256)
      : undefined;
    if (length === undefined) throw notFound('blob', params.sha256, 'A device may read what it was assigned.');
    await sendBlob(request, reply, this.blobs, { sha256: params.sha256, length });
  }
}
