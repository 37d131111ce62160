import { deviceRoutes } from '@aviary/protocol';
import { Controller, Inject } from '@nestjs/common';
import { ApiRoute } from '../../infra/http/api-route.ts';
import { DeviceId } from '../../infra/http/device-id.ts';
import { OperatorProfilesService } from './operator-profiles.service.ts';

/** Where a device sees what it is asked for. Its answer comes with its telemetry. */
@Controller()
export class DeviceProfileTasksController {
  constructor(@Inject(OperatorProfilesService) private readonly profiles: OperatorProfilesService) {}

  @ApiRoute(deviceRoutes.operatorProfileTask)
  task(@DeviceId() deviceId: string) {
    return this.profiles.taskOf(deviceId);
  }
}
