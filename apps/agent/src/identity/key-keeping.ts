import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../state/durable-file.ts';
import { SealedBox } from '../state/sealed-box.ts';
import { type Tpm, type TpmSeal, tpmSealSchema } from '../tpm/tpm.ts';

/** Beside the keys, when they are sealed: says by what. */
export const SEAL_FILE = 'seal.json';
const WRAPPING_KEY_BYTES = 32;
const PURPOSE = 'aviary device keys v1';
const BLOCK = 'AVIARY SEALED KEY';
const BLOCK_PATTERN = new RegExp(`-----BEGIN ${BLOCK}-----([^-]+)-----END ${BLOCK}-----`);

/** What is kept; each opens in its own place only. */
export type KeyName = 'device key' | 'age identity';

/** How a device keeps its private keys. */
export interface KeyKeeping {
  /** Lies beside the keys; undefined: they are plain files. */
  readonly seal: TpmSeal | undefined;
  /** @returns text to be written */
  enclose(secret: string, name: KeyName): string;
  /** @param text what is in the file, which may hold more than the key @throws Error when it was kept in another way */
  disclose(text: string, name: KeyName): string;
}

/** Files of mode 0600. */
export const plainFiles: KeyKeeping = {
  seal: undefined,
  enclose: (secret) => secret,
  disclose: (text, name) => {
    if (BLOCK_PATTERN.test(text)) throw new Error(`the ${name} is sealed, and ${SEAL_FILE} beside it is missing`);
    return text;
  },
};

/**
 * AES-256-GCM under a key that a TPM has sealed: keys are read and renewed without it once it has opened that.
 * @param wrappingKey what `seal` opens to
 */
export const sealedFiles = (seal: TpmSeal, wrappingKey: Uint8Array): KeyKeeping => {
  const box = new SealedBox(wrappingKey, PURPOSE);
  return {
    seal,
    enclose: (secret, name) => {
      const lines =
        box
          .seal(Buffer.from(secret), name)
          .toString('base64')
          .match(/.{1,64}/g) ?? [];
      return [`-----BEGIN ${BLOCK}-----`, ...lines, `-----END ${BLOCK}-----`, ''].join('\n');
    },
    disclose: (text, name) => {
      const sealed = BLOCK_PATTERN.exec(text)?.[1];
      if (sealed === undefined) throw new Error(`expected the ${name} to be sealed, as ${SEAL_FILE} says`);
      const secret = box.open(Buffer.from(sealed, 'base64'), name);
      if (secret === undefined) throw new Error(`the sealed ${name} is damaged, or belongs to another ${SEAL_FILE}`);
      return secret.toString();
    },
  };
};

/**
 * A new way to keep keys: sealed by the TPM.
 * @param pcrs see `Tpm.seal`
 * @throws PcrSelectionError; TpmUnavailableError
 */
export const makeKeeping = async (tpm: Tpm, pcrs: string | null): Promise<KeyKeeping> => {
  const wrappingKey = randomBytes(WRAPPING_KEY_BYTES);
  return sealedFiles(await tpm.seal(wrappingKey, pcrs), wrappingKey);
};

/** By what the keys in a folder are sealed; undefined: they are plain files. @throws what the disk throws; Error when it is damaged */
export const readSeal = async (folder: string): Promise<TpmSeal | undefined> => {
  try {
    return tpmSealSchema.parse(JSON.parse(await readFile(join(folder, SEAL_FILE), 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`${SEAL_FILE} is damaged: ${error instanceof Error ? error.message : error}`);
  }
};

/** How the keys in a folder are kept. @throws SealLostError; TpmUnavailableError; as `readSeal` */
export const readKeeping = async (folder: string, tpm: Tpm): Promise<KeyKeeping> => {
  const seal = await readSeal(folder);
  return seal === undefined ? plainFiles : sealedFiles(seal, await tpm.unseal(seal));
};

/** Says in a folder how the keys in it are kept. */
export const writeKeeping = async (folder: string, { seal }: KeyKeeping): Promise<void> => {
  if (seal !== undefined) await writeDurably(join(folder, SEAL_FILE), `${JSON.stringify(seal, null, 2)}\n`);
};
