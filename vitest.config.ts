import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

// Libraries are resolved to their sources, so that their tests need no build.
const conditions = ['aviary-source', 'module', 'node', 'development|production'];

/** What all tests have in common, also the longer ones. */
export const common = {
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // What is waited for comes when it comes, also on a machine that has much to do.
    expect: { poll: { timeout: 30_000 } },
    // One more than most small machines have cores: tests wait for processes more than they compute.
    maxWorkers: 3,
    // The programs that tests start are compiled once, and not at each start.
    env: {
      NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/aviary-programs', import.meta.url)),
      // Tests that run models themselves do not tell the makers of ONNX Runtime of it.
      ORT_DISABLE_TELEMETRY: '1',
    },
    server: { deps: { inline: [/^@aviary\//] } },
  },
} satisfies ViteUserConfig;

const exclude = ['**/node_modules/**', '**/dist/**', 'test/full/**'];
/** Their tests replace the clock, the disk or the environment. */
const alone = ['apps/agent/**', 'test/attacks/**', 'test/bench/**', 'test/e2e/**', 'test/faults/**'];

export default defineConfig({
  ...common,
  test: {
    ...common.test,
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ['libs/**/*.test.ts', 'apps/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...exclude, ...alone],
          // Most of what a file takes is what it imports.
          isolate: false,
        },
      },
      { extends: true, test: { name: 'alone', include: alone.map((folder) => `${folder}/*.test.ts`), exclude } },
    ],
  },
});
