import { adminRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject } from '@nestjs/common';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { AskedBy, type Caller } from '../access/caller.ts';
import { OperatorProfilesService } from './operator-profiles.service.ts';

/** Where people ask. */
@Controller()
export class OperatorProfilesController {
  constructor(@Inject(OperatorProfilesService) private readonly profiles: OperatorProfilesService) {}

  @ApiRoute(adminRoutes.requestOperatorProfile)
  request(
    @Checked() { params, body }: RouteRequest<typeof adminRoutes.requestOperatorProfile>,
    @AskedBy() { name }: Caller,
  ) {
    return this.profiles.request(params.id, body, name);
  }

  @ApiRoute(adminRoutes.listOperatorProfiles)
  list(@Checked() { params }: RouteRequest<typeof adminRoutes.listOperatorProfiles>) {
    return this.profiles.list(params.id);
  }
}
