import { execFile } from 'node:child_process';

export interface PeerAnswer {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * Runs a program that Aviary has to get along with, to its end.
 * @throws when it is not installed: a peer that is missing is an error, not a skipped test
 */
export const runPeer = (program: string, args: readonly string[], debianPackage: string): Promise<PeerAnswer> =>
  new Promise((resolve, reject) => {
    const options = { encoding: 'buffer' as const, maxBuffer: 2 ** 28, timeout: 60_000 };
    const child = execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error?.code === 'ENOENT') {
        reject(new Error(`This needs ${program}. Install it: apt-get install ${debianPackage}`));
        return;
      }
      resolve({
        code: typeof error?.code === 'number' ? error.code : error ? 1 : 0,
        stdout,
        stderr: stderr.toString(),
      });
    });
    // Nobody types anything: what reads its standard input goes on at once.
    child.stdin?.end();
  });
