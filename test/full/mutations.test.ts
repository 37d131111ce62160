import { execFile, spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MUTATIONS } from '../attacks/mutations.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ATTACKS = 'test/attacks';
/** What waits for a refusal waits in vain when its check is gone. */
const PATIENCE_MS = 8_000;
const LONGEST_RUN_MS = 900_000;

const CONFIG = 'vitest.attacks.config.ts';
const configOf = (patienceMs: number): string => `
  import { common } from './vitest.config.ts';
  const test = { ...common.test, include: ['${ATTACKS}/*.test.ts'], expect: { poll: { timeout: ${patienceMs} } } };
  export default { ...common, test };
`;

const run = promisify(execFile);

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly { readonly message: string; readonly assertionResults: readonly unknown[] }[];
}

/** The project once more, without what is built, beside which everything that it installs is the same. */
class Copy {
  private constructor(readonly folder: string) {}

  static async make(): Promise<Copy> {
    const folder = await mkdtemp(join(ROOT, '.mutations-'));
    // The database's own user has to reach its programs below.
    await chmod(folder, 0o755);
    const list = await run('git', ['ls-files', '-co', '--exclude-standard'], {
      cwd: ROOT,
      maxBuffer: 2 ** 24,
    });
    for (const path of list.stdout
      .split('\n')
      .filter((one) => /^(apps|docs|libs|test|firmware-profiles)\/|^[^/]+$/.test(one))) {
      await mkdir(join(folder, dirname(path)), { recursive: true });
      // A file that was removed and not committed yet is still listed.
      await cp(join(ROOT, path), join(folder, path)).catch(() => undefined);
    }
    // What is installed is the same files: links, which lie where a worker may read.
    for (const nested of ['', 'libs/release']) {
      await run('cp', ['-al', join(ROOT, nested, 'node_modules'), join(folder, nested, 'node_modules')]);
    }
    return new Copy(folder);
  }

  /**
   * Runs tests of it.
   * @param name a pattern of their names
   * @param patienceMs how long a test waits for something to happen
   */
  async run(files: string, name: string, patienceMs: number): Promise<Report> {
    const report = join(this.folder, 'report.json');
    await rm(report, { force: true });
    await writeFile(join(this.folder, CONFIG), configOf(patienceMs));
    const arguments_ = ['run', '--config', CONFIG, files, '--reporter=json', `--outputFile=${report}`];
    if (name !== '') arguments_.push('-t', name);
    const vitest = spawn(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), ...arguments_], {
      cwd: this.folder,
      stdio: 'ignore',
      timeout: LONGEST_RUN_MS,
    });
    await new Promise((resolve, reject) => vitest.once('exit', resolve).once('error', reject));
    return JSON.parse(await readFile(report, 'utf8'));
  }

  /** Replaces words that stand in a file once. @returns what undoes it */
  async edit(file: string, [check, instead]: readonly [string, string]): Promise<() => Promise<void>> {
    const path = join(this.folder, file);
    const text = await readFile(path, 'utf8');
    const found = text.split(check).length - 1;
    if (found !== 1) throw new Error(`Expected "${check}" once in ${file}, found it ${found} times.`);
    await replaceFile(
      path,
      text.replace(check, () => instead),
    );
    return () => replaceFile(path, text);
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** Never writes into a file that is linked from elsewhere. */
const replaceFile = async (path: string, text: string): Promise<void> => {
  await rm(path);
  await writeFile(path, text);
};

describe('the attacks', () => {
  let copy: Copy;
  beforeAll(async () => {
    copy = await Copy.make();
  });
  afterAll(() => copy?.remove());

  it('are each found by a check that can be taken out', async () => {
    const files = (await readdir(join(ROOT, ATTACKS))).filter((name) => name.endsWith('.test.ts'));
    const attacks = await Promise.all(
      files.map(async (file) => {
        const text = await readFile(join(ROOT, ATTACKS, file), 'utf8');
        return [...text.matchAll(/^describe\('([^']+)'/gm)].map(
          ([, attack]) => `${file.replace('.test.ts', '')}: ${attack}`,
        );
      }),
    );
    const found = attacks
      .flat()
      .filter((attack) => MUTATIONS.some(({ test: [file, name] }) => `${file}: ${name}` === attack));
    expect(found.sort()).toEqual(attacks.flat().sort());
    expect(new Set(attacks.flat().map((attack) => attack.split(': ')[1])).size).toBeGreaterThanOrEqual(16);
  });

  it(
    'all come to nothing with every check in its place',
    async () => {
      const { numPassedTests, numFailedTests } = await copy.run(ATTACKS, '', 30_000);
      expect(numFailedTests).toBe(0);
      expect(numPassedTests).toBeGreaterThan(MUTATIONS.length);
    },
    LONGEST_RUN_MS,
  );

  it.each(MUTATIONS)('$test.1 gets through without $removes', async ({ file, edit, test: [place, attack, words] }) => {
    const undo = await copy.edit(file, edit);
    try {
      const report = await copy.run(`${ATTACKS}/${place}.test.ts`, `${attack}.*${words}`, PATIENCE_MS);
      // A file that does not load has no tests, and shows nothing.
      expect(report.testResults.map(({ message }) => message).join('')).toBe('');
      expect(report).toMatchObject({ numPassedTests: 0, numFailedTests: expect.any(Number) });
      expect(report.numFailedTests).toBeGreaterThan(0);
    } finally {
      await undo();
    }
  });
});
