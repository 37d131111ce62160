import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ROLES } from '@aviary/protocol';
import { z } from 'zod';
import { UsageError } from '../command-line/usage-error.ts';
import { configDirectory } from './config-directory.ts';

const contextNameSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/);

const contextSchema = z.object({
  server: z.url({ protocol: /^https?$/ }),
  /** Whose token it is. */
  user: z.string(),
  role: z.enum(ROLES),
  token: z.string().min(1),
  /** null: the token was brought along, and is not this command's to revoke. */
  tokenId: z.uuid().nullable(),
  /** Milliseconds since 1970; null: nobody knows. */
  expiresAt: z.int().nullable(),
});
/** A control plane, and the token with which somebody is known there. */
export type Context = z.infer<typeof contextSchema>;

const fileSchema = z.object({
  formatVersion: z.literal(1),
  current: contextNameSchema.nullable(),
  contexts: z.record(contextNameSchema, contextSchema),
});

/** Log-ins of this user, by name. */
export interface Contexts {
  readonly current: string | null;
  readonly byName: ReadonlyMap<string, Context>;
}

const contextsPath = (): string => join(configDirectory(), 'contexts.json');

/** Reads what `aviary login` kept. @throws Error when the file is none of ours */
export const readContexts = async (path = contextsPath()): Promise<Contexts> => {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { current: null, byName: new Map() };
    throw error;
  }
  try {
    const { current, contexts } = fileSchema.parse(JSON.parse(text));
    return { current, byName: new Map(Object.entries(contexts)) };
  } catch (cause) {
    throw new Error(`Expected log-ins in ${path}, and cannot make sense of it. Remove it, and log in again.`, {
      cause,
    });
  }
};

/** Writes all of it or nothing, for this user's eyes only. */
const writeContexts = async ({ current, byName }: Contexts, path = contextsPath()): Promise<void> => {
  const content = { formatVersion: 1, current, contexts: Object.fromEntries(byName) };
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = `${path}.${randomUUID()}`;
  try {
    await writeFile(fresh, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flag: 'wx', flush: true });
    await rename(fresh, path);
  } finally {
    await rm(fresh, { force: true });
  }
};

/** @throws UsageError when no context has the name */
export const contextNamed = ({ byName }: Contexts, name: string): Context => {
  const context = byName.get(name);
  if (context !== undefined) return context;
  const names = [...byName.keys()].sort();
  throw new UsageError(
    `There is no context "${name}". ${names.length === 0 ? 'Make one with: aviary login' : `There are: ${names.join(', ')}.`}`,
  );
};

/** Keeps a log-in under a name, and makes it the current one. @throws UsageError for a name that is none */
export const keepContext = async (name: string, context: Context): Promise<void> => {
  if (!contextNameSchema.safeParse(name).success) {
    throw new UsageError(`Expected letters, digits, ".", "_", ":", "@" and "-" as a context's name, got "${name}".`);
  }
  const { byName } = await readContexts();
  await writeContexts({ current: name, byName: new Map([...byName, [name, context]]) });
};

/** Makes a context the one that commands use. @throws UsageError */
export const useContext = async (name: string): Promise<Context> => {
  const contexts = await readContexts();
  const context = contextNamed(contexts, name);
  await writeContexts({ ...contexts, current: name });
  return context;
};

/** Forgets a context; none is current afterwards when it was. @throws UsageError */
export const forgetContext = async (name: string): Promise<Context> => {
  const contexts = await readContexts();
  const context = contextNamed(contexts, name);
  const byName = new Map([...contexts.byName].filter(([other]) => other !== name));
  await writeContexts({ current: contexts.current === name ? null : contexts.current, byName });
  return context;
};
