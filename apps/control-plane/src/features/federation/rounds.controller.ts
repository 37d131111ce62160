import { adminRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject } from '@nestjs/common';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { RoundsService } from './rounds.service.ts';

@Controller()
export class RoundsController {
  constructor(@Inject(RoundsService) private readonly rounds: RoundsService) {}

  @ApiRoute(adminRoutes.createRound)
  create(@Checked() { body }: RouteRequest<typeof adminRoutes.createRound>) {
    return this.rounds.create(body);
  }

  @ApiRoute(adminRoutes.previewRound)
  preview(@Checked() { body }: RouteRequest<typeof adminRoutes.previewRound>) {
    return this.rounds.preview(body);
  }

  @ApiRoute(adminRoutes.listRounds)
  list(@Checked() { query }: RouteRequest<typeof adminRoutes.listRounds>) {
    return this.rounds.list(query);
  }

  @ApiRoute(adminRoutes.showRound)
  show(@Checked() { params }: RouteRequest<typeof adminRoutes.showRound>) {
    return this.rounds.show(params.id);
  }

  @ApiRoute(adminRoutes.abandonRound)
  abandon(@Checked() { params }: RouteRequest<typeof adminRoutes.abandonRound>) {
    return this.rounds.abandon(params.id);
  }

  @ApiRoute(adminRoutes.showCandidate)
  candidate(@Checked() { params }: RouteRequest<typeof adminRoutes.showCandidate>) {
    return this.rounds.candidate(params.id);
  }
}
