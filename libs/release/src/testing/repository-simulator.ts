import type { TargetFile } from '@tufjs/models';
import type { ReleaseStatement } from '../documents/release-statement.ts';
import { generateSigningKey, type Signer, signerOf } from '../documents/signing-key.ts';
import { createFleetTarget, DIRECTOR_TARGET, STOPPED_TARGET } from '../tuf/fleet-targets.ts';
import type { MetadataSource } from '../tuf/image-repository.ts';
import { targetsOf } from '../tuf/release-targets.ts';
import { createSnapshot, createTargets, createTimestamp } from '../tuf/role-metadata.ts';
import { createRoot, type RoleKeys } from '../tuf/root-metadata.ts';
import { encodeMetadata, type RoleMetadata, signMetadata, type TufRole } from '../tuf/signed-metadata.ts';

const DAY_MS = 86_400_000;

/** The keys with which one role is signed. */
export interface RoleSigners {
  readonly threshold: number;
  readonly signers: readonly Signer[];
}

/** What is published next; what is left out stays as it was. */
export interface Edition {
  readonly expires: Readonly<Record<TufRole, number>>;
  readonly roles: Readonly<Record<TufRole, RoleSigners>>;
  readonly releases: readonly ReleaseStatement[];
  readonly directorKeys: readonly string[];
  readonly stopped: readonly string[];
}

export const newSigner = (): Signer => signerOf(generateSigningKey());

/**
 * An image repository in memory that somebody holds all keys of: it publishes what is right, and lets a test publish what
 * is not, by changing versions, signers and files.
 */
export class RepositorySimulator {
  readonly director = newSigner();
  /** What clients are given, by file name. */
  readonly files = new Map<string, string>();
  /** Contents of targets that are small files, by SHA-256. */
  readonly contents = new Map<string, Buffer>();
  /** Names of the files that were asked for. */
  readonly asked: string[] = [];
  readonly versions: Record<TufRole, number> = { root: 0, targets: 0, snapshot: 0, timestamp: 0 };
  edition: Edition;

  /** Publishes root version 1 and what belongs to it. */
  constructor(edition: Partial<Edition> = {}) {
    const one = (): RoleSigners => ({ threshold: 1, signers: [newSigner()] });
    const expires = Date.now() + 30 * DAY_MS;
    this.edition = {
      roles: { root: one(), targets: one(), snapshot: one(), timestamp: one() },
      expires: { root: expires, targets: expires, snapshot: expires, timestamp: expires },
      releases: [],
      directorKeys: [this.director.publicKeyPem],
      stopped: [],
      ...edition,
    };
    this.publishRoot();
    this.publish();
  }

  /** What a device is given when it joins. */
  get pinnedRoot(): string {
    return this.file('1.root.json');
  }

  get publisher(): Signer {
    const [signer] = this.edition.roles.targets.signers;
    if (signer === undefined) throw new Error('the simulator has no key for targets');
    return signer;
  }

  /** How clients reach it. */
  readonly source: MetadataSource = async (file) => {
    this.asked.push(file);
    const text = this.files.get(file);
    return text === undefined ? undefined : Buffer.from(text);
  };

  file(name: string): string {
    const text = this.files.get(name);
    if (text === undefined) throw new Error(`the simulator has no ${name}`);
    return text;
  }

  /** Publishes a new root, signed by the keys of the one before too, unless `signers` says otherwise. */
  publishRoot(edition: Partial<Edition> = {}, signers?: readonly Signer[]): void {
    const before = this.versions.root === 0 ? [] : this.edition.roles.root.signers;
    this.edition = { ...this.edition, ...edition };
    this.versions.root += 1;
    const { roles, expires } = this.edition;
    const keysOf = (role: TufRole): RoleKeys => ({
      threshold: roles[role].threshold,
      keys: roles[role].signers.map(({ publicKeyPem, keyId }) => ({
        name: keyId.slice(0, 8),
        publicKey: publicKeyPem,
      })),
    });
    const root = createRoot({
      version: this.versions.root,
      expires: expires.root,
      roles: {
        root: keysOf('root'),
        targets: keysOf('targets'),
        snapshot: keysOf('snapshot'),
        timestamp: keysOf('timestamp'),
      },
    });
    signMetadata(root, signers ?? [...before, ...roles.root.signers]);
    this.files.set(`${this.versions.root}.root.json`, encodeMetadata(root));
  }

  /** Publishes new targets, and a snapshot and timestamp over them. */
  publish(edition: Partial<Edition> = {}): void {
    this.edition = { ...this.edition, ...edition };
    this.versions.targets += 1;
    const common = { version: this.versions.targets, expires: this.edition.expires.targets };
    this.put('targets', createTargets(common, this.#targetFiles()));
    this.publishOnline();
  }

  /** Publishes a snapshot over the current targets, and a timestamp over it. */
  publishOnline(): void {
    this.versions.snapshot += 1;
    const { expires } = this.edition;
    const targets = { version: this.versions.targets, text: this.file(`${this.versions.targets}.targets.json`) };
    this.put('snapshot', createSnapshot({ version: this.versions.snapshot, expires: expires.snapshot }, targets));
    this.publishTimestamp();
  }

  publishTimestamp(): void {
    this.versions.timestamp += 1;
    const version = this.versions.snapshot;
    const snapshot = { version, text: this.file(`${version}.snapshot.json`) };
    const common = { version: this.versions.timestamp, expires: this.edition.expires.timestamp };
    this.put('timestamp', createTimestamp(common, snapshot));
  }

  /** Signs metadata of a role with the role's keys, or others, and puts it where clients look for it. */
  put(role: Exclude<TufRole, 'root'>, metadata: RoleMetadata<TufRole>, signers?: readonly Signer[]): void {
    signMetadata(metadata, signers ?? this.edition.roles[role].signers);
    const name = role === 'timestamp' ? 'timestamp.json' : `${metadata.signed.version}.${role}.json`;
    this.files.set(name, encodeMetadata(metadata));
  }

  /** What one role's key was changed to. */
  rolesWith(role: TufRole, signers: readonly Signer[], threshold = 1): Edition['roles'] {
    return { ...this.edition.roles, [role]: { threshold, signers } };
  }

  *#targetFiles(): Generator<TargetFile> {
    const { releases, directorKeys, stopped } = this.edition;
    for (const release of releases) yield* targetsOf(release);
    const keys = directorKeys.map((publicKey, index) => ({ name: `director ${index}`, publicKey }));
    for (const { target, bytes } of [
      createFleetTarget(DIRECTOR_TARGET, { keys }),
      createFleetTarget(STOPPED_TARGET, { releases: [...stopped] }),
    ]) {
      this.contents.set(target.hashes.sha256 ?? '', bytes);
      yield target;
    }
  }
}
