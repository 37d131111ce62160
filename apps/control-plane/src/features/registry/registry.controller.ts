import { adminRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BLOB_STORE, BlobDigestError, type BlobStore } from '../../infra/blob-store.ts';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { sendBlob } from '../../infra/http/send-blob.ts';
import { badRequest, notFound } from '../../infra/problem.ts';
import { PublicAddresses } from '../../infra/public-addresses.ts';
import { FleetCa } from '../fleet-ca/fleet-ca.ts';
import { ReleasesService } from './releases.service.ts';

@Controller()
export class RegistryController {
  constructor(
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(FleetCa) private readonly ca: FleetCa,
    @Inject(PublicAddresses) private readonly addresses: PublicAddresses,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
  ) {}

  @ApiRoute(adminRoutes.registryInfo)
  info() {
    return {
      recipient: this.releases.recipient,
      fleetCaFingerprint: this.ca.fingerprint,
      deviceUrl: this.addresses.deviceUrl,
      mqttUrl: this.addresses.mqttUrl,
    };
  }

  @ApiRoute(adminRoutes.uploadBlob)
  async upload(
    @Checked() { params }: RouteRequest<typeof adminRoutes.uploadBlob>,
    @Req() request: FastifyRequest<{ Body: AsyncIterable<Uint8Array> }>,
  ) {
    if (!request.headers['content-type']?.startsWith('application/octet-stream')) {
      throw badRequest('blob-type', 'Expected the bytes of the blob as application/octet-stream.');
    }
    const stored = await this.blobs.length(params.sha256);
    if (stored !== undefined) {
      for await (const _ of request.body) {
        // Read to its end, so that the sender hears the answer.
      }
      return { sha256: params.sha256, length: stored };
    }
    const length = await this.blobs.put(params.sha256, request.body).catch((error: unknown) => {
      if (error instanceof BlobDigestError) throw badRequest(error.code, error.message);
      throw error;
    });
    return { sha256: params.sha256, length };
  }

  @ApiRoute(adminRoutes.downloadBlob)
  async download(
    @Checked() { params }: RouteRequest<typeof adminRoutes.downloadBlob>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const length = (await this.releases.isVariant(params.sha256)) ? await this.blobs.length(params.sha256) : undefined;
    if (length === undefined) throw notFound('blob', params.sha256, 'List releases with: aviary model list');
    await sendBlob(request, reply, this.blobs, { sha256: params.sha256, length });
  }

  @ApiRoute(adminRoutes.listReleases)
  list(@Checked() { query }: RouteRequest<typeof adminRoutes.listReleases>) {
    return this.releases.list(query);
  }

  @ApiRoute(adminRoutes.showRelease)
  show(@Checked() { params }: RouteRequest<typeof adminRoutes.showRelease>) {
    return this.releases.show(params.release);
  }

  @ApiRoute(adminRoutes.openVariant)
  async open(@Checked() { params, body }: RouteRequest<typeof adminRoutes.openVariant>) {
    const header = await this.releases.headerFor(params.release, params.variant, body.recipient);
    return { ageHeader: header.toString('base64') };
  }
}
