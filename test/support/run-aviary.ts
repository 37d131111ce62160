import { execFile } from 'node:child_process';
import { AVIARY } from './test-fleet.ts';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the built command to its end, as a user with this home and no data directory.
 * @param environment further variables, e.g. `AVIARY_SERVER`
 */
export const runAviary = (
  home: string,
  args: readonly string[],
  input = '',
  environment: NodeJS.ProcessEnv = {},
): Promise<Ended> =>
  new Promise((resolve) => {
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    // Compiled once for all homes, and not once for each.
    const env = { PATH, NODE_COMPILE_CACHE, HOME: home, ...environment };
    const child = execFile(process.execPath, [AVIARY, ...args], { env, cwd: home }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
    child.stdin?.end(input);
  });
