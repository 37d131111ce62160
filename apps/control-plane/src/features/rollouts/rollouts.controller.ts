import { adminRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject } from '@nestjs/common';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { AskedBy, type Caller } from '../access/caller.ts';
import { RolloutRetries } from './rollout-retries.ts';
import { RolloutsService } from './rollouts.service.ts';

@Controller()
export class RolloutsController {
  constructor(
    @Inject(RolloutsService) private readonly rollouts: RolloutsService,
    @Inject(RolloutRetries) private readonly retries: RolloutRetries,
  ) {}

  @ApiRoute(adminRoutes.createRollout)
  create(@Checked() { body }: RouteRequest<typeof adminRoutes.createRollout>, @AskedBy() { name }: Caller) {
    return this.rollouts.create(body, name);
  }

  @ApiRoute(adminRoutes.previewRollout)
  preview(@Checked() { body }: RouteRequest<typeof adminRoutes.previewRollout>) {
    return this.rollouts.preview(body);
  }

  @ApiRoute(adminRoutes.listRollouts)
  list(@Checked() { query }: RouteRequest<typeof adminRoutes.listRollouts>) {
    return this.rollouts.list(query);
  }

  @ApiRoute(adminRoutes.showRollout)
  show(@Checked() { params }: RouteRequest<typeof adminRoutes.showRollout>) {
    return this.rollouts.show(params.id);
  }

  @ApiRoute(adminRoutes.listExecutions)
  executions(@Checked() { params, query }: RouteRequest<typeof adminRoutes.listExecutions>) {
    return this.rollouts.executions(params.id, query);
  }

  @ApiRoute(adminRoutes.actOnRollout)
  act(@Checked() { params }: RouteRequest<typeof adminRoutes.actOnRollout>, @AskedBy() { name }: Caller) {
    return this.rollouts.act(params.id, params.action, name);
  }

  @ApiRoute(adminRoutes.retryRollout)
  retry(@Checked() { params, body }: RouteRequest<typeof adminRoutes.retryRollout>, @AskedBy() { name }: Caller) {
    return this.retries.retry(params.id, body.devices, name);
  }
}
