import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../state/durable-file.ts';
import type { Tpm } from '../tpm/tpm.ts';
import { writeAgeIdentity } from './age-key.ts';
import { writeCredentials } from './credentials.ts';
import { IDENTITY_FOLDER, loadIdentity, replaceIdentity, settleIdentity } from './identity.ts';
import { makeKeeping, writeKeeping } from './key-keeping.ts';

/** What lies beside the keys, and tells nobody anything. */
const PUBLIC_FILES = ['fleet-ca.crt', 'enrolment.json'];

/**
 * Seals the keys of a device by its TPM, those that are sealed already anew. The files of before are removed once the
 * new ones are on disk.
 * @param stateDirectory locked by the caller
 * @param pcrs see `Tpm.seal`
 * @throws NotJoinedError; SealLostError; TpmUnavailableError; PcrSelectionError; what the disk throws
 */
export const sealKeys = async (stateDirectory: string, tpm: Tpm, pcrs: string | null): Promise<void> => {
  await settleIdentity(stateDirectory);
  const identity = await loadIdentity(stateDirectory, tpm);
  const keeping = await makeKeeping(tpm, pcrs);
  await replaceIdentity(stateDirectory, async (draft) => {
    await writeKeeping(draft, keeping);
    await writeCredentials(draft, identity, keeping);
    await writeAgeIdentity(draft, identity.ageIdentity, keeping);
    for (const name of PUBLIC_FILES) {
      await writeDurably(join(draft, name), await readFile(join(stateDirectory, IDENTITY_FOLDER, name)));
    }
  });
};
