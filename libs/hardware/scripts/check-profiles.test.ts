import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { problemsOf } from './check-profiles.ts';

const script = fileURLToPath(new URL('check-profiles.ts', import.meta.url));
const ours = fileURLToPath(new URL('../../../firmware-profiles', import.meta.url));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'profiles-'));
  cpSync(ours, folder, { recursive: true });
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Changes one of the copied profiles. */
const change = (name: string, how: (profile: Record<string, unknown>) => Record<string, unknown>): void => {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(how(JSON.parse(readFileSync(path, 'utf8')))));
};

const run = (...args: string[]) => spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });

describe('check-profiles', () => {
  it('finds nothing wrong with ours', () => {
    expect(problemsOf(ours).problems).toEqual([]);
    expect(problemsOf(ours).profiles).toHaveLength(9);
  });

  it('says in which file and where a profile is broken', () => {
    change('rpi4.json', ({ memoryMB: _, ...rest }) => ({ ...rest, throtleC: 80 }));
    const { problems } = problemsOf(folder);
    expect(problems[0]).toMatch(/^rpi4\.json: This is no firmware profile:/);
    expect(problems[0]).toMatch(/"throtleC"/);
    expect(problems[0]).toMatch(/memoryMB/);
    expect(problems).toContain('the example board rpi4 is taken for none');
  });

  it('says in which file the JSON is broken', () => {
    writeFileSync(join(folder, 'rpi5.json'), '{ "id": "rpi5", ');
    expect(problemsOf(folder).problems[0]).toMatch(/^rpi5\.json: .*JSON/);
  });

  it('wants a file to be named as its profile', () => {
    change('rpi4.json', (profile) => ({ ...profile, id: 'raspberry' }));
    expect(problemsOf(folder).problems).toEqual([
      'rpi4.json: expected the id rpi4, got raspberry',
      'the example board rpi4 is taken for raspberry',
    ]);
  });

  it('wants no two profiles to fit a board equally well', () => {
    const twin = JSON.parse(readFileSync(join(folder, 'x86-64.json'), 'utf8'));
    writeFileSync(join(folder, 'zbox.json'), JSON.stringify({ ...twin, id: 'zbox' }));
    expect(problemsOf(folder).problems).toEqual(['x86-64: x86-64 and zbox fit equally well']);
  });

  it('wants at least one profile, and reads nothing but JSON files', () => {
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    writeFileSync(join(folder, 'README.md'), '# none');
    expect(problemsOf(folder).problems[0]).toBe(`${folder}: expected at least one profile`);
  });

  it('says of a folder that is not there what it expected', () => {
    const { problems } = problemsOf(join(folder, 'nowhere'));
    expect(problems).toEqual([expect.stringMatching(/^expected a folder of firmware profiles.*nowhere/)]);
  });

  it('ends with 0 and a count, with 1 and the problems, with 2 and its usage', () => {
    const good = run(folder);
    expect([good.status, good.stdout, good.stderr]).toEqual([0, '9 profiles ok\n', '']);
    change('rpi4.json', (profile) => ({ ...profile, runtimes: [] }));
    const bad = run(folder);
    expect([bad.status, bad.stdout]).toEqual([1, '']);
    expect(bad.stderr).toMatch(/^rpi4\.json: .*\n[\s\S]*runtimes/);
    const lost = run();
    expect([lost.status, lost.stderr]).toEqual([2, 'Usage: node check-profiles.ts DIRECTORY\n']);
  });
});
