import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// Runs the built command: npx tsc -b apps/cli
const AVIARY = fileURLToPath(new URL('../../bin/aviary.js', import.meta.url));

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'aviary-interrupted-'));
  // As root, PostgreSQL runs as another user.
  await chmod(directory, 0o755);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Processes that were started with this demo's directory. */
const processes = async (): Promise<string[]> => {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid,args']);
  return stdout.split('\n').filter((line) => line.includes(directory));
};

describe('a demo that is interrupted', () => {
  it.each([
    ['while the control plane starts', 'the control plane starts'],
    ['while it trains', '1.0.0 trained'],
  ])('%s ends with 130 and leaves no process behind', async (_, words) => {
    const data = join(directory, words.replaceAll(/\W/g, '-'));
    const child = spawn(process.execPath, [AVIARY, 'demo', '--once', '--data', data], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(child, 'exit');
    let told = '';
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (chunk) => {
        told += chunk;
        if (told.includes(words)) resolve();
      });
      child.once('exit', () => reject(new Error(`the demo ended before that:\n${told}`)));
    });
    // The control plane's own processes begin a moment after it.
    while ((await processes()).length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    const [code] = await exited;
    expect({ code, output, left: await processes() }).toEqual({ code: 130, output: '', left: [] });
  });
});
