import { adminRoutes, formatJoinToken, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject } from '@nestjs/common';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { PublicAddresses } from '../../infra/public-addresses.ts';
import { AskedBy, type Caller } from '../access/caller.ts';
import { FleetCa } from '../fleet-ca/fleet-ca.ts';
import { DeviceHistory } from './device-history.ts';
import { DevicePagesService } from './device-pages.service.ts';
import { DevicesService } from './devices.service.ts';
import { JoinTokensService } from './join-tokens.service.ts';
import { RevocationService } from './revocation.service.ts';

@Controller()
export class DevicesController {
  constructor(
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(DevicePagesService) private readonly pages: DevicePagesService,
    @Inject(DeviceHistory) private readonly histories: DeviceHistory,
    @Inject(JoinTokensService) private readonly joinTokens: JoinTokensService,
    @Inject(RevocationService) private readonly revocation: RevocationService,
    @Inject(FleetCa) private readonly ca: FleetCa,
    @Inject(PublicAddresses) private readonly addresses: PublicAddresses,
  ) {}

  @ApiRoute(adminRoutes.createJoinToken)
  async createJoinToken(@Checked() { body }: RouteRequest<typeof adminRoutes.createJoinToken>) {
    const { secret, expiresAt } = await this.joinTokens.create(body);
    const token = formatJoinToken({ secret, caFingerprint: this.ca.fingerprint, url: this.addresses.deviceUrl });
    return { token, expiresAt: expiresAt.getTime() };
  }

  @ApiRoute(adminRoutes.listDevices)
  list(@Checked() { query }: RouteRequest<typeof adminRoutes.listDevices>) {
    return this.devices.list(query);
  }

  @ApiRoute(adminRoutes.showDevice)
  show(@Checked() { params }: RouteRequest<typeof adminRoutes.showDevice>) {
    return this.pages.show(params.id);
  }

  @ApiRoute(adminRoutes.deviceMetrics)
  metrics(@Checked() { params, query }: RouteRequest<typeof adminRoutes.deviceMetrics>) {
    return this.pages.metrics(params.id, query);
  }

  @ApiRoute(adminRoutes.deviceExecutions)
  executions(@Checked() { params }: RouteRequest<typeof adminRoutes.deviceExecutions>) {
    return this.pages.executions(params.id);
  }

  @ApiRoute(adminRoutes.deviceHistory)
  history(@Checked() { params, query }: RouteRequest<typeof adminRoutes.deviceHistory>) {
    return this.histories.list(params.id, query);
  }

  @ApiRoute(adminRoutes.deviceChoice)
  choice(@Checked() { params }: RouteRequest<typeof adminRoutes.deviceChoice>) {
    return this.pages.choice(params.id, params.release);
  }

  @ApiRoute(adminRoutes.labelDevice)
  change(@Checked() { params, body }: RouteRequest<typeof adminRoutes.labelDevice>) {
    return this.devices.change(params.id, body);
  }

  @ApiRoute(adminRoutes.revokeDevice)
  revoke(@Checked() { params }: RouteRequest<typeof adminRoutes.revokeDevice>, @AskedBy() { name }: Caller) {
    return this.revocation.revoke(params.id, name);
  }
}
