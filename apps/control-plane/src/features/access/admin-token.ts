import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readOrMakeFile } from '../../infra/shared-file.ts';

const SHORTEST_TOKEN = 32;

/** The file with the admin token holds none that would keep anybody out. */
export class AdminTokenError extends Error {
  readonly code = 'admin-token';
}

/**
 * Reads `<data>/admin.token` (0600), made at the first start: whoever can read the file administers the fleet.
 * @throws AdminTokenError
 */
export const loadAdminToken = async (dataDirectory: string): Promise<string> => {
  const path = join(dataDirectory, 'admin.token');
  const token = await readOrMakeFile(path, () => randomBytes(32).toString('base64url'));
  if (token.length < SHORTEST_TOKEN) {
    throw new AdminTokenError(
      `Expected a token of at least ${SHORTEST_TOKEN} characters in ${path}, got ${token.length}. Remove it, and the next start makes a new one.`,
    );
  }
  return token;
};
