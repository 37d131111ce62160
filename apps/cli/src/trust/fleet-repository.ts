import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError, adminRoutes, routeUrl } from '@aviary/protocol';
import {
  contentOfRoot,
  decodeMetadata,
  encodeMetadata,
  type FleetTarget,
  fleetTargetOf,
  ImageRepository,
  keyId,
  MAX_METADATA_BYTES,
  type RoleMetadata,
  readFleetTarget,
  rootFingerprint,
  signaturesOn,
  type TrustedMetadata,
  TufError,
} from '@aviary/release';
import { askVisible, isTerminal } from '../access/ask-secret.ts';
import { UsageError } from '../command-line/usage-error.ts';
import { type Connection, fetchOrExplain } from '../connection.ts';

/** Where what is known of a fleet is kept: beside the key, which signs for that fleet and no other. */
const folderOf = (keyPath: string): string => `${keyPath}.fleet`;
const rootFileOf = (keyPath: string): string => join(folderOf(keyPath), 'root.json');

/** Gets a file of the image repository from the control plane; undefined when there is none. */
const fetchFile = async (connection: Connection, path: string, limit: number): Promise<Buffer | undefined> => {
  const response = await fetchOrExplain(`${connection.baseUrl}${path}`, {
    headers: { authorization: connection.authorization },
  });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`The control plane answers ${path} with HTTP ${response.status}. Try again.`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > limit)
      throw new TufError('metadata-refused', `${path} is longer than the ${limit} bytes it may be of`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

/** Pins the root with which a fleet was founded. */
export const pinRoot = async (keyPath: string, text: string): Promise<void> => {
  await mkdir(folderOf(keyPath), { recursive: true, mode: 0o700 });
  await writeFile(rootFileOf(keyPath), text, { mode: 0o600, flush: true });
};

export interface OpenOptions {
  /** File of the key for which the fleet is known. */
  readonly keyPath: string;
  /** Fingerprint of the first root, when whoever asks knows it; else it is asked for at the terminal. */
  readonly rootFingerprint?: string | undefined;
}

const fetchFirstRoot = async (connection: Connection): Promise<RoleMetadata<'root'>> => {
  const path = routeUrl(adminRoutes.trustMetadata, { params: { file: '1.root.json' } });
  const first = await fetchFile(connection, path, MAX_METADATA_BYTES.root);
  if (first !== undefined) return decodeMetadata('root', first.toString('utf8'));
  throw new UsageError(
    'The image repository of this fleet was not founded yet, or its root waits for signatures. See: aviary key list',
  );
};

/** @returns whether enough of its own keys have signed it */
const isSigned = (root: RoleMetadata<'root'>): boolean => {
  const { keyIds, threshold } = signaturesOn(root, 'root', root);
  return keyIds.length >= threshold;
};

const pinnedRoot = async (connection: Connection, { keyPath, rootFingerprint: told }: OpenOptions): Promise<string> => {
  const known = await readFile(rootFileOf(keyPath), 'utf8').catch(() => undefined);
  const pinned = known === undefined ? undefined : decodeMetadata('root', known);
  if (known !== undefined && pinned !== undefined && isSigned(pinned)) return known;
  const first = await fetchFirstRoot(connection);
  const [expected, found] = [pinned === undefined ? told : rootFingerprint(pinned), rootFingerprint(first)];
  if (expected === undefined) await askWhether(connection, found);
  else if (expected.toLowerCase() !== found) {
    throw new UsageError(
      `Expected a root with the fingerprint ${expected}, the control plane at ${connection.baseUrl} has ${found}. Do not trust it; ask whoever runs it.`,
    );
  }
  const text = encodeMetadata(first);
  await pinRoot(keyPath, text);
  return text;
};

const askWhether = async (connection: Connection, fingerprint: string): Promise<void> => {
  const words = `No fleet is known here yet. The root of the one at ${connection.baseUrl} has the fingerprint ${fingerprint}.`;
  if (!isTerminal()) {
    throw new UsageError(`${words} Ask whoever founded it for the fingerprint, and give it with --root-fingerprint.`);
  }
  const answer = await askVisible(`${words}\nIs it the one that whoever founded the fleet has told you? [y/N] `);
  if (!/^y(es)?$/i.test(answer)) throw new Error('Nothing was done.');
};

/** What the fleet's publisher has signed so far, verified here, whatever the control plane says. */
export class FleetRepository {
  readonly #connection: Connection;
  readonly metadata: TrustedMetadata;

  private constructor(connection: Connection, metadata: TrustedMetadata) {
    this.#connection = connection;
    this.metadata = metadata;
  }

  /** @throws UsageError when the fleet is not the one that the key is for; TufError when what it has is refused */
  static async open(connection: Connection, options: OpenOptions): Promise<FleetRepository> {
    const root = await pinnedRoot(connection, options);
    const folder = join(folderOf(options.keyPath), 'metadata');
    const repository = new ImageRepository(folder, root, (file, limit) =>
      fetchFile(connection, routeUrl(adminRoutes.trustMetadata, { params: { file } }), limit),
    );
    return new FleetRepository(connection, await repository.refresh(Date.now()));
  }

  get root() {
    return contentOfRoot(this.metadata.root);
  }

  get targets() {
    return this.metadata.targets.signed;
  }

  /** One of the small files that are signed for the whole fleet. */
  async fleetTarget<Name extends FleetTarget>(name: Name) {
    const signed = fleetTargetOf(this.targets, name);
    if (signed === undefined) throw new TufError('target-invalid', `expected ${name} among the signed targets`);
    const path = routeUrl(adminRoutes.trustFile, { params: { sha256: signed.sha256 } });
    const bytes = await fetchFile(this.#connection, path, signed.length);
    if (bytes === undefined) throw new Error(`The control plane does not have ${name}. Restore it from a backup.`);
    return readFleetTarget(name, signed, bytes);
  }

  /** Lets another key know the fleet too, from what is verified here. */
  keepFor(keyPath: string): Promise<void> {
    return pinRoot(keyPath, encodeMetadata(this.metadata.root));
  }

  /** @throws UsageError when the key may not sign for a role */
  expectKey(role: 'root' | 'targets', id: string): void {
    const { keys } = this.root.roles[role];
    if (keys.some(({ publicKey }) => keyId(publicKey) === id)) return;
    throw new UsageError(
      `The key ${id.slice(0, 12)} may not sign ${role} of this fleet; its root names ${keys.map(({ name }) => name).join(', ')}. Somebody with a root key can add it: aviary key add`,
    );
  }
}

/** What a change that waits for signatures says; undefined when none does. */
export const fetchProposal = async (connection: Connection) => {
  try {
    return await connection.client.showProposal({});
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 404) return undefined;
    throw error;
  }
};

/** Whether a fleet is known for this key. */
export const isPinned = async (keyPath: string): Promise<boolean> =>
  (await readFile(rootFileOf(keyPath), 'utf8').catch(() => undefined)) !== undefined;
