import { execFile } from 'node:child_process';
import { AVIARY, type TestFleet } from './test-fleet.ts';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly words: string;
  readonly advice?: string;
}

export interface Examination {
  readonly code: number;
  readonly checks: readonly Check[];
  /** Names of what is not well. */
  readonly failures: readonly string[];
}

/** `aviary doctor -o json` as a user runs it. @param other another environment */
export const examine = (fleet: TestFleet, other: NodeJS.ProcessEnv = {}): Promise<Examination> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, AVIARY_SERVER: fleet.server, AVIARY_DATA: fleet.data, NO_COLOR: '1', ...other };
    execFile(process.execPath, [AVIARY, 'doctor', '-o', 'json'], { env, timeout: 110_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      if (!stdout.startsWith('{')) {
        reject(new Error(`aviary doctor ended with ${code}: ${stderr}${stdout}`));
        return;
      }
      const { checks } = JSON.parse(stdout) as { checks: Check[] };
      resolve({ code, checks, failures: checks.filter(({ ok }) => !ok).map(({ name }) => name) });
    });
  });
