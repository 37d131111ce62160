import { readFileSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { openApiDocument } from '../src/openapi.ts';

/** Where the API stands written down. */
export const OPENAPI_FILE = fileURLToPath(new URL('../../../docs/openapi.json', import.meta.url));

/** The version that the file is written for: the workspace's own. */
export const workspaceVersion = (): string =>
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')).version;

const byName = (entries: object = {}): Record<string, unknown> =>
  Object.fromEntries(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)));

/** The document as a file: paths, methods and schemas by name, so that moving code about changes nothing. */
export const openApiText = (document: ReturnType<typeof openApiDocument>): string => {
  const { paths, components, ...rest } = document;
  const sorted = Object.entries(paths ?? {}).map(([path, methods]) => [path, byName(methods)] as const);
  const ordered = {
    ...rest,
    paths: byName(Object.fromEntries(sorted)),
    components: { ...components, schemas: byName(components?.schemas) },
  };
  const text = JSON.stringify(ordered, null, 2);
  return `${text}\n`;
};

if (import.meta.main) {
  // The other libraries' sources, too: what was last built may be older than they are.
  registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: [...context.conditions, 'aviary-source'] }),
  });
  const { openApiDocument: make } = await import('../src/openapi.ts');
  writeFileSync(OPENAPI_FILE, openApiText(make(workspaceVersion())));
  console.log(`${OPENAPI_FILE} written`);
}
