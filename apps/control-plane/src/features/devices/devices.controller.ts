import { adminRoutes, formatJoinToken, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject } from '@nestjs/common';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { PublicAddresses } from '../../infra/public-addresses.ts';
import { FleetCa } from '../fleet-ca/fleet-ca.ts';
import { DevicesService } from './devices.service.ts';

@Controller()
export class DevicesController {
  constructor(
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(FleetCa) private readonly ca: FleetCa,
    @Inject(PublicAddresses) private readonly addresses: PublicAddresses,
  ) {}

  @ApiRoute(adminRoutes.createJoinToken)
  async createJoinToken(@Checked() { body }: RouteRequest<typeof adminRoutes.createJoinToken>) {
    const { secret, expiresAt } = await this.devices.createJoinSecret(body.labels, body.ttlSeconds);
    const token = formatJoinToken({ secret, caFingerprint: this.ca.fingerprint, url: this.addresses.deviceUrl });
    return { token, expiresAt: expiresAt.getTime() };
  }

  @ApiRoute(adminRoutes.listDevices)
  list(@Checked() { query }: RouteRequest<typeof adminRoutes.listDevices>) {
    return this.devices.list(query);
  }

  @ApiRoute(adminRoutes.showDevice)
  show(@Checked() { params }: RouteRequest<typeof adminRoutes.showDevice>) {
    return this.devices.show(params.id);
  }

  @ApiRoute(adminRoutes.labelDevice)
  change(@Checked() { params, body }: RouteRequest<typeof adminRoutes.labelDevice>) {
    return this.devices.change(params.id, body);
  }
}
