import { accessRoutes } from './access.ts';
import { auditRoutes } from './audit.ts';
import { deviceAdminRoutes } from './devices.ts';
import { diagnosisRoutes } from './diagnosis.ts';
import { federationRoutes } from './federation.ts';
import { joiningKeyRoutes } from './joining-keys.ts';
import { liveRoutes } from './live.ts';
import { operatorProfileRoutes } from './operator-profiles.ts';
import { registryRoutes } from './registry.ts';
import { rolloutRoutes } from './rollouts.ts';
import { trustRoutes } from './trust.ts';

/** Every operation of the admin plane. */
export const adminRoutes = {
  ...accessRoutes,
  ...auditRoutes,
  ...liveRoutes,
  ...deviceAdminRoutes,
  ...operatorProfileRoutes,
  ...joiningKeyRoutes,
  ...registryRoutes,
  ...trustRoutes,
  ...rolloutRoutes,
  ...federationRoutes,
  ...diagnosisRoutes,
};
