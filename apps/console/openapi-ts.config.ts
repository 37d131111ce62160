import { defineConfig } from '@hey-api/openapi-ts';

/** The client of the console, made from the API as it stands written down. */
export default defineConfig({
  input: '../../docs/openapi.json',
  output: { path: 'src/api/generated', clean: true },
  plugins: [
    '@hey-api/typescript',
    { name: '@hey-api/sdk', responseStyle: 'data' },
    { name: '@hey-api/client-fetch', throwOnError: true },
  ],
});
