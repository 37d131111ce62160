import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

/** A small workspace in which each rule is broken once, in a file named for it, and kept once beside it. */
const BROKEN: Record<string, { readonly path: string; readonly content: string }[]> = {
  'libraries-know-no-app': [
    { path: 'libs/hardware/src/knows-app.ts', content: "import '../../../apps/cli/src/fine.ts';" },
  ],
  'apps-meet-on-the-wire': [{ path: 'apps/agent/src/imports-app.ts', content: "import '../../cli/src/fine.ts';" }],
  'libraries-use-no-framework': [{ path: 'libs/release/src/uses-pg.ts', content: "import 'pg';" }],
  'pure-libraries-do-no-io': [{ path: 'libs/rollout/src/reads-file.ts', content: "import 'node:fs';" }],
  'a-library-is-its-index': [
    { path: 'apps/cli/src/reaches-in.ts', content: "import '../../../libs/rollout/src/fine.ts';" },
  ],
  'features-meet-in-services': [
    {
      path: 'apps/control-plane/src/features/rollouts/reaches-in.ts',
      content: "import '../devices/devices.controller.ts';",
    },
  ],
  'infra-knows-no-feature': [
    {
      path: 'apps/control-plane/src/infra/knows-feature.ts',
      content: "import '../features/devices/devices.service.ts';",
    },
  ],
  'features-know-no-role': [
    { path: 'apps/control-plane/src/features/devices/knows-role.ts', content: "import '../../roles/fine.ts';" },
  ],
  'the-worker-has-no-network': [
    { path: 'apps/agent/src/inference/worker/dials.ts', content: "import 'node:net';" },
    { path: 'apps/agent/src/inference/worker/links.ts', content: "import '../../link/fine.ts';" },
  ],
  'no-circles': [{ path: 'apps/cli/src/circle.ts', content: "import './other-half.ts';" }],
  'tests-are-not-shipped': [{ path: 'apps/cli/src/ships-test.ts', content: "import 'vitest';" }],
  'everything-is-found': [{ path: 'apps/cli/src/finds-nothing.ts', content: "import './not-there.ts';" }],
};

const KEPT = [
  { path: 'apps/cli/src/other-half.ts', content: "import './circle.ts';" },
  { path: 'libs/rollout/src/fine.ts', content: 'export const one = 1;' },
  { path: 'libs/rollout/src/index.ts', content: "export * from './fine.ts';" },
  { path: 'libs/rollout/src/fine.test.ts', content: "import 'node:fs'; import 'vitest'; import './fine.ts';" },
  { path: 'apps/cli/src/fine.ts', content: "import '../../../libs/rollout/src/index.ts'; import 'node:net';" },
  { path: 'apps/control-plane/src/features/devices/devices.controller.ts', content: "import './devices.service.ts';" },
  { path: 'apps/control-plane/src/features/devices/devices.service.ts', content: "import 'pg';" },
  {
    path: 'apps/control-plane/src/features/rollouts/rollouts.service.ts',
    content: "import '../devices/devices.service.ts';",
  },
  { path: 'apps/control-plane/src/roles/fine.ts', content: "import '../features/devices/devices.controller.ts';" },
  { path: 'apps/agent/src/link/fine.ts', content: "import 'node:net';" },
  { path: 'apps/agent/src/inference/worker/fine.ts', content: "import 'node:fs';" },
];

describe('what may import what', () => {
  let workspace = '';
  let found: { readonly rule: string; readonly from: string }[] = [];

  beforeAll(async () => {
    workspace = await mkdtemp(join(tmpdir(), 'aviary-boundaries-'));
    for (const { path, content } of [...KEPT, ...Object.values(BROKEN).flat()]) {
      await mkdir(dirname(join(workspace, path)), { recursive: true });
      await writeFile(join(workspace, path), `${content}\n`);
    }
    await symlink(join(ROOT, 'node_modules'), join(workspace, 'node_modules'));
    for (const name of ['.dependency-cruiser.mjs', 'tsconfig.base.json']) {
      await copyFile(join(ROOT, name), join(workspace, name));
    }
    const cruiser = join(ROOT, 'node_modules/.bin/depcruise');
    const parameters = ['--config', '.dependency-cruiser.mjs', '--output-type', 'json', 'apps', 'libs'];
    const { stdout } = await run(cruiser, parameters, { cwd: workspace, maxBuffer: 2 ** 26 }).catch(
      // Violations make its exit status non-zero: exactly what this is about.
      (error: { stdout: string }) => error,
    );
    const { summary } = JSON.parse(stdout) as { summary: { violations: { rule: { name: string }; from: string }[] } };
    found = summary.violations.map(({ rule, from }) => ({ rule: rule.name, from }));
  });
  afterAll(() => rm(workspace, { recursive: true, force: true }));

  it.each(Object.keys(BROKEN))('%s is seen when it is broken', (rule) => {
    const seen = found.filter((violation) => violation.rule === rule).map(({ from }) => from);
    expect([...new Set(seen)].sort()).toEqual(expect.arrayContaining(BROKEN[rule]?.map(({ path }) => path) ?? []));
  });

  it('says nothing about files that keep the rules', () => {
    const kept = new Set(KEPT.map(({ path }) => path));
    expect(found.filter(({ from }) => kept.has(from))).toEqual([]);
  });

  it('breaks every rule that there is', async () => {
    const config: { default: { forbidden: { name: string }[] } } = await import(join(ROOT, '.dependency-cruiser.mjs'));
    expect(Object.keys(BROKEN).sort()).toEqual(config.default.forbidden.map(({ name }) => name).sort());
  });
});

describe('a pure library', () => {
  const lint = async (path: string, content: string): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'aviary-purity-'));
    try {
      for (const name of ['biome.json', 'test/boundaries/pure-library.grit']) {
        await mkdir(dirname(join(folder, name)), { recursive: true });
        await copyFile(join(ROOT, name), join(folder, name));
      }
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), `${content}\n`);
      // Its own folder is no repository, which the rules do not depend on.
      const parameters = ['lint', '--vcs-enabled=false', '--error-on-warnings', '.'];
      const { stdout, stderr } = await run(join(ROOT, 'node_modules/.bin/biome'), parameters, { cwd: folder }).catch(
        (error: { stdout: string; stderr: string }) => error,
      );
      return stdout + stderr;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  const REFUSAL = 'A pure library reads no clock';

  it.each([
    'Date.now()',
    'new Date()',
    'Math.random()',
    'performance.now()',
    'crypto.randomUUID()',
    'process.env.HOME',
    'setTimeout(String, 1)',
  ])('may not say %s', async (words) => {
    expect(await lint('libs/rollout/src/reads.ts', `export const value = () => ${words};`)).toContain(REFUSAL);
  });

  it.each(['rollout', 'hardware', 'protocol', 'onnx', 'federation'])('is libs/%s', async (name) => {
    expect(await lint(`libs/${name}/src/reads.ts`, 'export const now = () => Date.now();')).toContain(REFUSAL);
  });

  it('may work with a time that it is given, and its tests with the clock', async () => {
    const given = 'export const day = (now: number) => new Date(now).toISOString();';
    expect(await lint('libs/rollout/src/given.ts', given)).not.toContain(REFUSAL);
    expect(await lint('libs/rollout/src/given.test.ts', 'export const now = Date.now();')).not.toContain(REFUSAL);
  });

  it('is the only place where the clock is refused', async () => {
    expect(await lint('apps/agent/src/reads.ts', 'export const now = () => Date.now();')).not.toContain(REFUSAL);
  });
});
