import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProgramError, programOf, runToEnd, StayingProcess } from './child-process.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'aviary-child-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

let count = 0;
const program = async (source: string): Promise<string> => {
  count += 1;
  const path = join(directory, `program-${count}.mjs`);
  await writeFile(path, source);
  return path;
};
const until = async (happened: () => boolean): Promise<void> => {
  while (!happened()) await pause(10);
};
const lives = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Says in a file that it runs, and then stays. */
const staying = (ready: string, onTerm: string) =>
  program(`import { writeFileSync } from 'node:fs';
    process.on('SIGTERM', () => { ${onTerm} });
    console.error('here I am');
    writeFileSync(${JSON.stringify(ready)}, String(process.pid));
    setInterval(() => {}, 1000);`);

describe('programOf', () => {
  it.each(['@aviary/agent', '@aviary/control-plane'] as const)('finds the program of %s', (name) => {
    expect(existsSync(programOf(name))).toBe(true);
  });
});

describe('runToEnd', () => {
  it('gives what a program said, with its arguments and environment', async () => {
    const path = await program(
      'console.error("noise"); console.log(process.argv.slice(2).join(), process.env.COLOUR);',
    );
    expect(await runToEnd(path, ['a', 'b'], { COLOUR: 'blå' })).toBe('a,b blå\n');
  });

  it('fails with what the program said of its failure', async () => {
    const path = await program('console.log("half"); console.error("no space left"); process.exitCode = 3;');
    const failure = runToEnd(path, ['push']);
    await expect(failure).rejects.toBeInstanceOf(ProgramError);
    await expect(failure).rejects.toThrow('push ended with exit code 3: no space left');
  });

  it('names the signal that ended it', async () => {
    const path = await program('process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000);');
    await expect(runToEnd(path, ['join'])).rejects.toThrow('join ended with SIGKILL');
  });

  it('ends the program when told to, and is done only when it has gone', async () => {
    const [ready, gone] = [join(directory, 'ready-run'), join(directory, 'gone-run')];
    const tidies = `setTimeout(() => { writeFileSync(${JSON.stringify(gone)}, ''); process.exit(0); }, 50);`;
    const path = await staying(ready, tidies);
    const told = new AbortController();
    const reason = new Error('enough');
    const running = runToEnd(path, [], {}, told.signal).catch((error: unknown) => error);
    await until(() => existsSync(ready));
    told.abort(reason);
    expect(await running).toBe(reason);
    expect(existsSync(gone)).toBe(true);
  });

  it('does not begin after that', async () => {
    const path = await program('');
    await expect(runToEnd(path, [], {}, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});

describe('StayingProcess', () => {
  it('stays, keeps its log, and ends in order when asked', async () => {
    const [ready, log] = [join(directory, 'ready-stay'), join(directory, 'stay.log')];
    const child = new StayingProcess('child', await staying(ready, 'process.exit(0);'), [], log);
    await until(() => existsSync(ready));
    expect(child.ended).toBeUndefined();
    expect(lives(child.pid)).toBe(true);
    await child.stop();
    expect(child.ended).toBe('exit code 0');
    expect(lives(child.pid)).toBe(false);
    expect(await readFile(log, 'utf8')).toBe('here I am\n');
    await child.stop();
  });

  it('is forced to end when it will not', async () => {
    const ready = join(directory, 'ready-deaf');
    const child = new StayingProcess('child', await staying(ready, ''), [], join(directory, 'deaf.log'));
    await until(() => existsSync(ready));
    await child.stop(50);
    expect(child.ended).toBe('SIGKILL');
    expect(lives(child.pid)).toBe(false);
  });

  it('says that it ended by itself, and how', async () => {
    const child = new StayingProcess('child', await program('process.exit(7);'), [], join(directory, 'exit.log'));
    await until(() => child.ended !== undefined);
    expect(child.ended).toBe('exit code 7');
    await child.stop();
  });
});
