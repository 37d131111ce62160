import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { sealPayload } from '../age/age-payload.ts';

/**
 * Writes the age payload of `plaintext` to a new file and syncs it.
 * @returns bytes and hex SHA-256 of what was written.
 */
export async function writeSealedFile(
  path: string,
  fileKey: Uint8Array,
  plaintext: Uint8Array,
): Promise<{ length: number; sha256: string }> {
  const hash = createHash('sha256');
  let length = 0;
  const file = await open(path, 'wx', 0o644);
  try {
    for await (const chunk of sealPayload(fileKey, [plaintext])) {
      hash.update(chunk);
      length += chunk.length;
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { length, sha256: hash.digest('hex') };
}
