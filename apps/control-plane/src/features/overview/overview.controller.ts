import { adminRoutes } from '@aviary/protocol';
import { Controller, Inject } from '@nestjs/common';
import { ApiRoute } from '../../infra/http/api-route.ts';
import { OverviewService } from './overview.service.ts';

@Controller()
export class OverviewController {
  constructor(@Inject(OverviewService) private readonly overview: OverviewService) {}

  @ApiRoute(adminRoutes.showOverview)
  show() {
    return this.overview.show();
  }
}
