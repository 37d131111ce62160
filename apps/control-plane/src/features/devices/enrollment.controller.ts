import { deviceRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject } from '@nestjs/common';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { EnrollmentService } from './enrollment.service.ts';

/** The one route of the device plane that takes no certificate: it is how a device gets one. */
@Controller()
export class EnrollmentController {
  constructor(@Inject(EnrollmentService) private readonly enrollment: EnrollmentService) {}

  @ApiRoute(deviceRoutes.enroll)
  enroll(@Checked() { body }: RouteRequest<typeof deviceRoutes.enroll>) {
    return this.enrollment.enroll(body);
  }
}
