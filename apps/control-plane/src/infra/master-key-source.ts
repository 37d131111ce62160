import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runKeyCommand } from './key-command.ts';
import { encodeMasterKey, generateMasterKey, type MasterKey, MasterKeyError, parseMasterKey } from './master-key.ts';
import { readOrMakeFile } from './shared-file.ts';

/** Where this process was told to take the master key from. */
export interface MasterKeySource {
  /** For messages, e.g. `in AVIARY_MASTER_KEY`. */
  readonly words: string;
  /** The path, when it is a file. */
  readonly file?: string;
  /** Reads it as it is now. @throws MasterKeyError */
  read(): Promise<MasterKey>;
  /** Reads it, made first where there is none and it can be made: only a file can. @throws MasterKeyError */
  readOrMake(): Promise<MasterKey>;
}

/** What names a source; everything but the data directory is unset when the key is in its file. */
export interface MasterKeySettings {
  /** The data directory. */
  readonly data: string;
  /** 32 bytes in base64. */
  readonly masterKey?: string | undefined;
  /** A program with arguments that prints the key. */
  readonly masterKeyCommand?: string | undefined;
}

const VARIABLE = 'AVIARY_MASTER_KEY';
const COMMAND_VARIABLE = 'AVIARY_MASTER_KEY_COMMAND';

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );

/** Reads a key from a file. @throws MasterKeyError */
export const readKeyFile = async (path: string): Promise<MasterKey> => {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new MasterKeyError(
      `Expected the master key in ${path}, ${error.code === 'ENOENT' ? 'and there is no such file' : `which cannot be read (${error.code})`}. Restore it from a backup: without it no model opens.`,
    );
  });
  return parseMasterKey(text, `in ${path}`);
};

const fileSource = (file: string): MasterKeySource => ({
  words: `in ${file}`,
  file,
  read: () => readKeyFile(file),
  readOrMake: async () =>
    parseMasterKey(await readOrMakeFile(file, () => encodeMasterKey(generateMasterKey())), `in ${file}`),
});

const sourceOf = (words: string, read: () => Promise<MasterKey>): MasterKeySource => ({
  words,
  read,
  readOrMake: read,
});

/**
 * Finds the one source of the master key: the environment, a command, or else `<data>/keys/master.key`.
 * @throws MasterKeyError when there are two, with the names of both
 */
export const findMasterKeySource = async (settings: MasterKeySettings): Promise<MasterKeySource> => {
  const { masterKey, masterKeyCommand } = settings;
  const file = join(settings.data, 'keys', 'master.key');
  const named = [
    ...(masterKey === undefined ? [] : [VARIABLE]),
    ...(masterKeyCommand === undefined ? [] : [COMMAND_VARIABLE]),
  ];
  const all = named.length > 0 && (await exists(file)) ? [...named, `the file ${file}`] : named;
  if (all.length > 1) {
    throw new MasterKeyError(
      `Expected one source of the master key, got ${all.length}: ${all.join(' and ')}. Take away all but the one that holds it; keep a copy of a file until everything runs.`,
    );
  }
  if (masterKey !== undefined) {
    return sourceOf(`in ${VARIABLE}`, async () => parseMasterKey(masterKey, `in ${VARIABLE}`));
  }
  if (masterKeyCommand !== undefined) {
    return sourceOf(`from the command of ${COMMAND_VARIABLE}`, async () =>
      parseMasterKey(
        await runKeyCommand(masterKeyCommand, COMMAND_VARIABLE),
        `on the standard output of the command of ${COMMAND_VARIABLE}`,
      ),
    );
  }
  return fileSource(file);
};
