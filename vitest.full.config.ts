import { defineConfig } from 'vitest/config';
import { common } from './vitest.config.ts';

/** Tests that need longer, or a peer that npm does not bring: `npm run test:full -- NAME`. */
export default defineConfig({ ...common, test: { ...common.test, include: ['test/full/*.test.ts'] } });
