import type { Connection } from '../connection.ts';
import type { Publisher } from '../publishing/push-model.ts';
import { FleetRepository } from './fleet-repository.ts';
import { keyPathOf, readKey } from './key-file.ts';

/**
 * Reads the publisher's key, asking for its passphrase, and what was published so far.
 * @throws UsageError when the key may not sign for this fleet
 */
export const openPublisher = async (
  connection: Connection,
  flags: { readonly key?: string | undefined; readonly 'root-fingerprint'?: string | undefined },
): Promise<Publisher> => {
  const keyPath = keyPathOf(flags);
  const signer = await readKey(keyPath);
  const repository = await FleetRepository.open(connection, { keyPath, rootFingerprint: flags['root-fingerprint'] });
  repository.expectKey('targets', signer.keyId);
  return { signer, repository };
};
