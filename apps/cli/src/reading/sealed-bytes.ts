import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { ApiError, adminRoutes, problemSchema, routeUrl } from '@aviary/protocol';
import { FileSink, type ReleaseTarget } from '@aviary/release';
import { type Connection, fetchOrExplain } from '../connection.ts';
import { ProgressBar } from '../render/progress-bar.ts';

/** What the control plane has under a digest is not, or not all of, what was signed. */
export class SealedBytesError extends Error {
  readonly code: 'sealed-missing' | 'sealed-torn' | 'sealed-changed';
  constructor(code: SealedBytesError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** How long the whole is, by the head of the answer; undefined when it does not say so. */
const wholeLength = ({ status, headers }: Response): number | undefined => {
  const text =
    status === 206
      ? /^bytes 0-\d+\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1]
      : headers.get('content-length');
  return text === undefined || text === null ? undefined : Number(text);
};

const ask = async (connection: Connection, { sha256, length, variant }: ReleaseTarget): Promise<Response> => {
  const response = await fetchOrExplain(
    `${connection.baseUrl}${routeUrl(adminRoutes.downloadBlob, { params: { sha256 } })}`,
    { headers: { authorization: connection.authorization, range: `bytes=0-${length - 1}` } },
  );
  if (response.status === 404) {
    throw new SealedBytesError(
      'sealed-missing',
      `The control plane does not have the sealed bytes of ${variant} (SHA-256 ${sha256}). Restore its blobs from a backup.`,
    );
  }
  if (response.status !== 200 && response.status !== 206) {
    const problem = problemSchema.safeParse(await response.json().catch(() => undefined));
    if (problem.success) throw new ApiError(problem.data);
    throw new Error(`The download of ${variant} was answered with HTTP ${response.status}. Try again.`);
  }
  return response;
};

/**
 * Brings the sealed bytes of a variant, and compares them with what was signed. Never takes more than that; keeps
 * none of them in memory.
 * @param path a new file for them; undefined: they are only compared. What is in it counts when this has ended well
 * @throws SealedBytesError, ApiError
 */
export const fetchSealed = async (connection: Connection, target: ReleaseTarget, path?: string): Promise<void> => {
  const { variant, length, sha256 } = target;
  const response = await ask(connection, target);
  const whole = wholeLength(response);
  const changed = (found: string) =>
    new SealedBytesError(
      'sealed-changed',
      `The sealed bytes of ${variant} are not those that were signed: expected ${length} bytes with SHA-256 ${sha256}, found ${found}. Somebody or something has changed them; restore them from a backup.`,
    );
  if (whole !== undefined && whole !== length) {
    await response.body?.cancel();
    throw changed(`${whole} bytes`);
  }
  const bar = new ProgressBar(`downloading ${variant}`, length);
  const hash = createHash('sha256');
  let received = 0;
  await using file = path === undefined ? undefined : await open(path, 'wx', 0o600);
  const sink = file === undefined ? undefined : new FileSink(file);
  const chunks = (response.body ?? new ReadableStream<Uint8Array>())[Symbol.asyncIterator]();
  for (;;) {
    const next = await chunks.next().catch((cause) => {
      throw new SealedBytesError(
        'sealed-torn',
        `The download of ${variant} was cut off after ${received} of ${length} bytes. Try again.`,
        { cause },
      );
    });
    if (next.done === true) break;
    received += next.value.length;
    if (received > length) {
      await chunks.return?.();
      throw changed('more');
    }
    hash.update(next.value);
    await sink?.write(next.value);
    bar.update(received);
  }
  await sink?.end();
  const found = hash.digest('hex');
  if (received < length) {
    throw new SealedBytesError(
      'sealed-torn',
      `The download of ${variant} ended after ${received} of ${length} bytes. Try again.`,
    );
  }
  if (found !== sha256) throw changed(`SHA-256 ${found}`);
  bar.end(`done, ${(length / 2 ** 20).toFixed(2)} MB`);
};
