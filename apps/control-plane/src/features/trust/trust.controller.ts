import { adminRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { TrustService } from './trust.service.ts';

@Controller()
export class TrustController {
  constructor(@Inject(TrustService) private readonly trust: TrustService) {}

  @ApiRoute(adminRoutes.showTrust)
  show() {
    return this.trust.state();
  }

  @ApiRoute(adminRoutes.foundTrust)
  found(@Checked() { body }: RouteRequest<typeof adminRoutes.foundTrust>) {
    return this.trust.found(body);
  }

  @ApiRoute(adminRoutes.changeTrust)
  change(@Checked() { body }: RouteRequest<typeof adminRoutes.changeTrust>) {
    return this.trust.change(body);
  }

  @ApiRoute(adminRoutes.showProposal)
  proposal() {
    return this.trust.proposal();
  }

  @ApiRoute(adminRoutes.discardProposal)
  discard() {
    return this.trust.discardProposal();
  }

  @ApiRoute(adminRoutes.makeOnlineKey)
  makeOnlineKey(@Checked() { body }: RouteRequest<typeof adminRoutes.makeOnlineKey>) {
    return this.trust.makeOnlineKey(body.role);
  }

  @ApiRoute(adminRoutes.trustMetadata)
  async metadata(
    @Checked() { params }: RouteRequest<typeof adminRoutes.trustMetadata>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await reply.type('application/json').send(await this.trust.metadataFile(params.file));
  }

  @ApiRoute(adminRoutes.trustFile)
  async file(
    @Checked() { params }: RouteRequest<typeof adminRoutes.trustFile>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await reply.type('application/octet-stream').send(await this.trust.targetFile(params.sha256));
  }
}
