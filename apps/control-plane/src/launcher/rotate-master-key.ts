import { access } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type Config, type RotationOrder, UsageError } from '../config.ts';
import { AuditTrail } from '../features/audit/audit-trail.ts';
import { Database } from '../infra/database.ts';
import { runKeyCommand } from '../infra/key-command.ts';
import { KeyRing } from '../infra/key-ring.ts';
import { KeyRotation, type RotationResult } from '../infra/key-rotation.ts';
import { createLogger } from '../infra/log.ts';
import { type MasterKey, MasterKeyError, parseMasterKey } from '../infra/master-key.ts';
import { findMasterKeySource, type MasterKeySource, readKeyFile } from '../infra/master-key-source.ts';
import { runningDatabaseUrl, startEmbeddedDatabase } from './embedded-database.ts';

const SETTING = '--new-key-command';

const say = (line: string) => process.stderr.write(`aviary: ${line}\n`);

const count = (number: number): string => `${number} ${number === 1 ? 'secret' : 'secrets'}`;

/** What was done, and what a person has to do now, on standard output. */
const wordsOf = (result: RotationResult, source: MasterKeySource): string => {
  const { newKeyId, resealed, secrets, state, retired, oldKeyFile } = result;
  if (state === 'not-begun') {
    return `${newKeyId} is the master key already, and ${count(secrets)} are sealed under it. Nothing was changed.\n`;
  }
  const done = `Sealed anew: ${count(resealed)}. Under the master key ${newKeyId} now: ${count(secrets)}, which is all.\n`;
  if (retired === undefined) {
    return `${done}The old and the new key both open everything. What is left to do:
  1. Put the new key where the control plane takes its key from (now: ${source.words}), and restart every process.
  2. With the new key in place, run: aviary-control-plane rotate-master-key --finish
Keep the old key until then.\n`;
  }
  const copy = oldKeyFile === undefined ? 'it' : oldKeyFile;
  return `${done}The old master key ${retired.id} opens nothing in this database since ${retired.at.toISOString()}.
Destroy ${copy} as soon as no backup of the database from before that will ever be restored. Back up the new key now, apart from the database.\n`;
};

const newKeyOf = async (order: Exclude<RotationOrder, { kind: 'finish' }>): Promise<MasterKey> => {
  if (order.kind === 'file') return readKeyFile(order.file);
  const ask = async () =>
    parseMasterKey(await runKeyCommand(order.command, SETTING), `on the standard output of the command of ${SETTING}`);
  const key = await ask();
  // A command that makes a key, instead of fetching one, would seal everything under a key that nobody has.
  if ((await ask()).id === key.id) return key;
  throw new MasterKeyError(
    `The command of ${SETTING} prints another key each time. Expected one that gives the same key whenever it is run; make a key first, e.g. with openssl rand -base64 32, and keep it where the command finds it.`,
  );
};

const expectDatabase = async (data: string): Promise<void> => {
  await access(join(data, 'postgres', 'PG_VERSION')).catch(() => {
    throw new UsageError(
      `Expected the data directory of a control plane for --data, and there is no database in ${data}. Name the directory, or a PostgreSQL with DATABASE_URL.`,
    );
  });
};

/**
 * Replaces the master key of a control plane, which may be running.
 * @throws UsageError, MasterKeyError
 */
export const rotateMasterKey = async (config: Config, order: RotationOrder): Promise<void> => {
  const source = await findMasterKeySource(config);
  // Before anything is started: a key that cannot be read is the commonest mistake.
  const newKey = order.kind === 'finish' ? undefined : await newKeyOf(order);
  if (config.databaseUrl === undefined) await expectDatabase(config.data);
  const url = config.databaseUrl ?? (await runningDatabaseUrl(config.data));
  const embedded = url === undefined ? await startEmbeddedDatabase(config.data, say) : undefined;
  const database = new Database(url ?? embedded?.url ?? '', createLogger('rotate-master-key', config.logLevel));
  try {
    await database.start();
    const ring = new KeyRing(database, source);
    await ring.start();
    const rotation = new KeyRotation(database, ring, source, say);
    const audit = new AuditTrail(database);
    audit.start();
    const change = {
      by: { actor: userInfo().username, via: 'command' as const },
      action: 'rotateMasterKey',
      target: newKey?.id ?? '',
      detail: { order: order.kind },
    };
    const result = await audit.during(change, () =>
      newKey === undefined ? rotation.finish() : rotation.rotate(newKey, order.kind === 'file'),
    );
    process.stdout.write(wordsOf(result, source));
  } finally {
    await database.stop();
    await embedded?.stop();
  }
};
