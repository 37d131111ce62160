import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Libraries are resolved to their sources, so that their tests need no build.
const conditions = ['aviary-source', 'module', 'node', 'development|production'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    include: ['libs/**/*.test.ts', 'apps/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', 'test/full/**'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // What is waited for comes when it comes, also on a machine that has much to do.
    expect: { poll: { timeout: 30_000 } },
    maxWorkers: 2,
    // The programs that tests start are compiled once, and not at each start.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/aviary-programs', import.meta.url)) },
    server: { deps: { inline: [/^@aviary\//] } },
  },
});
