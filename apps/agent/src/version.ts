import { readFileSync } from 'node:fs';

/** The version of this agent. */
export const AGENT_VERSION: string = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
).version;
