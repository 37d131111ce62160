import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { precompress } from './scripts/precompress.ts';

/** Where a control plane listens while the console is being worked on: `npm run dev -w apps/console`. */
const controlPlane = process.env.AVIARY_SERVER ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react(), precompress()],
  build: { manifest: 'manifest.json', target: 'es2023', reportCompressedSize: false },
  server: { proxy: { '/api': controlPlane } },
});
