import { readConfig } from '../../apps/control-plane/src/config.ts';
import { openServices, type Services } from '../../apps/control-plane/src/roles/services.ts';
import type { TestDatabase } from './test-database.ts';

/** The control plane's services as one of its processes has them; several may share a database. The caller stops them. */
export const openTestServices = ({ directory, url, log }: TestDatabase, ...options: string[]): Promise<Services> => {
  const { config } = readConfig(['run', '--data', directory, '--database-url', url, ...options], {});
  return openServices({ ...config, databaseUrl: url }, log);
};
