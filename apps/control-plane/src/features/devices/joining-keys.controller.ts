import { adminRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject } from '@nestjs/common';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { PublicAddresses } from '../../infra/public-addresses.ts';
import { FleetCa } from '../fleet-ca/fleet-ca.ts';
import { JoiningKeysService } from './joining-keys.service.ts';

@Controller()
export class JoiningKeysController {
  constructor(
    @Inject(JoiningKeysService) private readonly keys: JoiningKeysService,
    @Inject(FleetCa) private readonly ca: FleetCa,
    @Inject(PublicAddresses) private readonly addresses: PublicAddresses,
  ) {}

  @ApiRoute(adminRoutes.listJoiningKeys)
  async list() {
    const { deviceUrl } = this.addresses;
    return { items: await this.keys.list(), deviceUrl, caFingerprint: this.ca.fingerprint };
  }

  @ApiRoute(adminRoutes.preauthorizeKey)
  preauthorize(@Checked() { body }: RouteRequest<typeof adminRoutes.preauthorizeKey>) {
    const { publicKey, ttlSeconds, ...terms } = body;
    return this.keys.preauthorize(publicKey, ttlSeconds, terms);
  }

  @ApiRoute(adminRoutes.approveKey)
  approve(@Checked() { params, body }: RouteRequest<typeof adminRoutes.approveKey>) {
    return this.keys.approve(params.fingerprint, body);
  }

  @ApiRoute(adminRoutes.rejectKey)
  reject(@Checked() { params }: RouteRequest<typeof adminRoutes.rejectKey>) {
    return this.keys.reject(params.fingerprint);
  }
}
