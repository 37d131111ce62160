import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where this user's keys and log-ins are kept. */
export const configDirectory = (): string => join(process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'aviary');
