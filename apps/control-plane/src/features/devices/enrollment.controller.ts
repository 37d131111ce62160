import { deviceRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject, Ip } from '@nestjs/common';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { DeviceFingerprint, DeviceId } from '../../infra/http/device-id.ts';
import { CertificatesService } from './certificates.service.ts';
import { EnrollmentService } from './enrollment.service.ts';

/** How a device gets a certificate, and the next one. */
@Controller()
export class EnrollmentController {
  constructor(
    @Inject(EnrollmentService) private readonly enrollment: EnrollmentService,
    @Inject(CertificatesService) private readonly certificates: CertificatesService,
  ) {}

  @ApiRoute(deviceRoutes.enrollChallenge)
  challenge(@Checked() { body }: RouteRequest<typeof deviceRoutes.enrollChallenge>) {
    return this.enrollment.challenge(body);
  }

  @ApiRoute(deviceRoutes.enroll)
  enroll(@Checked() { body }: RouteRequest<typeof deviceRoutes.enroll>, @Ip() address: string) {
    return this.enrollment.enroll(body, address);
  }

  @ApiRoute(deviceRoutes.renew)
  renew(
    @DeviceId() deviceId: string,
    @DeviceFingerprint() fingerprint: string,
    @Checked() { body }: RouteRequest<typeof deviceRoutes.renew>,
  ) {
    return this.certificates.renew({ deviceId, fingerprint }, body.csr);
  }
}
