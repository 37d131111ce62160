import { deviceAdminRoutes } from './devices.ts';
import { registryRoutes } from './registry.ts';
import { rolloutRoutes } from './rollouts.ts';

/** Every operation of the admin plane. */
export const adminRoutes = { ...deviceAdminRoutes, ...registryRoutes, ...rolloutRoutes };
