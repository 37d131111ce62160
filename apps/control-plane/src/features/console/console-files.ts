import { access } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

const INDEX = 'index.html';

const HEADERS = {
  // Mantine writes styles into the page; scripts come from here only.
  'content-security-policy':
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
    "object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const;

/** These answer for themselves, and never with a page. */
const NO_PAGES = /^\/(api|device|healthz|readyz|openapi\.json)(\/|$)/;

const NOT_BUILT = `The console was not built, so there is nothing to show here; the API works.

In a checkout, build it and start again:

  npm run build

Or point --console-dir (AVIARY_CONSOLE_DIR) at a built one.
`;

/** Where the console of this installation lies once it was built. */
export const builtConsole = (): string =>
  fileURLToPath(new URL('dist', import.meta.resolve('@aviary/console/package.json')));

/** Whether a browser asks for a page, and not a program for data or a page for one of its files. */
const asksForPage = ({ url, headers }: FastifyRequest): boolean =>
  !NO_PAGES.test(url.split('?', 1)[0] ?? '') && headers.accept?.includes('text/html') === true;

/**
 * Serves the console's files, compressed as they were built, and its one page for every address that the console knows
 * itself. Files under `assets/` have their content's hash in their name and never change.
 */
export const serveConsole = async (server: FastifyInstance, directory: string): Promise<void> => {
  const built = await access(join(directory, INDEX)).then(
    () => true,
    () => false,
  );
  if (built) {
    void server.register(fastifyStatic, {
      root: directory,
      wildcard: false,
      preCompressed: true,
      globIgnore: ['**/*.br', '**/*.gz'],
      // Set below, file by file.
      cacheControl: false,
      setHeaders: (reply, path) => {
        const forEver = path.startsWith(join(directory, 'assets') + sep);
        reply.header('cache-control', forEver ? 'public, max-age=31536000, immutable' : 'no-cache');
        reply.headers(HEADERS);
      },
    });
  }
  server.get('/*', (request: FastifyRequest, reply: FastifyReply) => {
    if (!asksForPage(request)) return reply.callNotFound();
    if (built) return reply.sendFile(INDEX);
    return reply.status(503).headers(HEADERS).type('text/plain; charset=utf-8').send(NOT_BUILT);
  });
};
