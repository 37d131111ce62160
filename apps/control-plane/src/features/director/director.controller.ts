import type { OutgoingHttpHeaders } from 'node:http';
import { deviceRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BLOB_STORE, type BlobStore } from '../../infra/blob-store.ts';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { DeviceId } from '../../infra/http/device-id.ts';
import { parseRange } from '../../infra/http/range.ts';
import { sendPieces } from '../../infra/http/send-pieces.ts';
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
    const range = parseRange(request.headers.range, length);
    void reply.header('accept-ranges', 'bytes').header('etag', `"${params.sha256}"`).type('application/octet-stream');
    if (range === 'unsatisfiable') {
      await reply.status(416).header('content-range', `bytes */${length}`).send();
      return;
    }
    const { start, end } = range ?? { start: 0, end: length - 1 };
    if (range !== undefined) void reply.status(206).header('content-range', `bytes ${start}-${end}/${length}`);
    void reply.header('content-length', end - start + 1);
    const pieces = this.blobs.read(params.sha256, start, end);
    reply.hijack();
    reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders);
    await sendPieces(reply.raw, pieces);
  }
}
