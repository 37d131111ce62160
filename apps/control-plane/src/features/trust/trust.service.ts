import type { OnlineRole, TrustChange, TrustOutcome, TrustState } from '@aviary/protocol';
import {
  contentOfRoot,
  DIRECTOR_TARGET,
  expiryOf,
  type FleetTarget,
  fleetTargetOf,
  keyId,
  type NamedKey,
  type RoleMetadata,
  readFleetTarget,
  refuseDelegations,
  STOPPED_TARGET,
  signaturesOn,
  TUF_ROLES,
  TufError,
  verifyNextRoot,
  verifyRole,
} from '@aviary/release';
import type { Database, Sql } from '../../infra/database.ts';
import { badRequest, conflict, notFound } from '../../infra/problem.ts';
import { compareReleases } from '../registry/release-changes.ts';
import type { ReleasesService } from '../registry/releases.service.ts';
import type { CurrentMetadata, MetadataStore } from './metadata-store.ts';
import { ONLINE_ROLES, type OnlineKeys } from './online-keys.ts';
import { lockTrust, type OnlineSigning } from './online-signing.ts';
import { forgetProposal, keepProposal, keptProposal, type Proposal, readProposal, withKept } from './proposal.ts';
import { missingIn, refuseExpired, refuseUnsigned } from './proposal-check.ts';

const NOT_FOUNDED =
  'Expected an image repository, and it has not been founded yet. Make the keys of the publisher with: aviary key init';

/** Rings at the devices that have, or are to get, a release that must no longer run or be installed. */
const RING = `
  insert into outbox (device_id, channel, payload)
  select id, 'doorbell', '{"reason":"trust"}' from device
  where running_release = any ($1) or id in (select device_id from assignment where release = any ($1))`;

/**
 * The image repository of the fleet (TUF): takes what the publisher has signed, when enough of its keys did, and signs
 * that it is current. It cannot sign what may run.
 */
export class TrustService {
  private directors: { readonly version: number; readonly keyIds: readonly string[] } = { version: 0, keyIds: [] };

  constructor(
    private readonly database: Database,
    private readonly store: MetadataStore,
    private readonly keys: OnlineKeys,
    private readonly signing: OnlineSigning,
    private readonly releases: ReleasesService,
  ) {}

  /** Root metadata that a device pins when it joins. @throws ProblemError `publisher-missing` */
  async rootForDevices(): Promise<string> {
    const root = await this.store.file('root.json');
    // Joined before there is one, a device would take no release, ever.
    if (root === undefined) throw conflict('publisher-missing', NOT_FOUNDED);
    return root;
  }

  /** Text of a metadata file. @throws ProblemError `metadata-unknown` */
  async metadataFile(name: string): Promise<string> {
    const text = await this.store.file(name);
    if (text === undefined) throw notFound('metadata', name, 'The newest root is the last one that there is.');
    return text;
  }

  /** A small target. @throws ProblemError `target-unknown` */
  async targetFile(sha256: string): Promise<Buffer> {
    const bytes = await this.store.target(sha256);
    if (bytes === undefined) throw notFound('target', sha256, 'Targets that are variants are blobs.');
    return bytes;
  }

  /** Ids of the keys that may sign assignments now. Each device's assignment asks: the targets are read when they change. */
  async directorKeyIds(): Promise<readonly string[]> {
    const version = await this.store.newestVersion('targets');
    if (version === undefined) return [];
    if (this.directors.version !== version) {
      const current = await this.store.current();
      if (current === undefined) return [];
      const { keys } = await this.readTarget(this.database, current.targets.metadata, DIRECTOR_TARGET);
      this.directors = { version: current.targets.version, keyIds: keys.map(idOf) };
    }
    return this.directors.keyIds;
  }

  async state(): Promise<TrustState> {
    const current = await this.store.current();
    const kept = await keptProposal(this.database);
    const onlineKeys: TrustState['onlineKeys'] = [];
    for (const role of ONLINE_ROLES) {
      for (const signer of await this.keys.list(role)) {
        onlineKeys.push({ role, keyId: signer.keyId, publicKey: signer.publicKeyPem });
      }
    }
    if (current === undefined) return { roles: [], directors: [], stopped: [], onlineKeys, proposal: null };
    const { roles } = contentOfRoot(current.root.metadata);
    const targets = current.targets.metadata;
    const [directors, stopped] = await Promise.all([
      this.readTarget(this.database, targets, DIRECTOR_TARGET),
      this.readTarget(this.database, targets, STOPPED_TARGET),
    ]);
    return {
      roles: TUF_ROLES.map((role) => ({
        role,
        version: current[role].version,
        expiresAt: expiryOf(current[role].metadata),
        threshold: roles[role].threshold,
        keys: roles[role].keys.map(named),
      })),
      directors: directors.keys.map(named),
      stopped: stopped.releases,
      onlineKeys,
      proposal:
        kept === undefined ? null : { createdAt: kept.createdAt, missing: missingIn(kept, current.root.metadata) },
    };
  }

  async proposal() {
    const kept = await keptProposal(this.database);
    if (kept === undefined) throw notFound('proposal', 'current', 'No change waits for signatures.');
    const { root, targets, files } = kept;
    return {
      root: root === undefined ? null : JSON.stringify(root.toJSON()),
      targets: targets === undefined ? null : JSON.stringify(targets.toJSON()),
      files: files.map((file) => file.toString('base64')),
    };
  }

  async discardProposal(): Promise<void> {
    await this.database.transaction(async (sql) => {
      await lockTrust(sql);
      if (!(await forgetProposal(sql))) throw notFound('proposal', 'current', 'No change waits for signatures.');
      return { id: 'proposal' };
    });
  }

  async makeOnlineKey(role: OnlineRole) {
    return this.database.transaction(async () => {
      const { keyId: id, publicKeyPem } = await this.keys.make(role);
      return { id, role, keyId: id, publicKey: publicKeyPem };
    });
  }

  /**
   * Founds the image repository: root version 1, and the targets under it.
   * @throws ProblemError `trust-founded` when it was founded before; as `change`
   */
  found(request: TrustChange): Promise<TrustOutcome> {
    return refusing(() =>
      this.database.transaction(async (sql) => {
        await lockTrust(sql);
        if ((await this.store.current(sql)) !== undefined) {
          throw conflict('trust-founded', 'The image repository was founded before. Change it: aviary key add');
        }
        const proposal = withKept(readProposal(request), await keptProposal(sql), undefined);
        const { root, targets } = proposal;
        if (root?.signed.version !== 1 || targets?.signed.version !== 1) {
          throw badRequest('trust-incomplete', 'Expected root and targets metadata, both of version 1.');
        }
        return this.publishOrKeep(sql, proposal, undefined);
      }),
    );
  }

  /**
   * Publishes what was signed, when enough of the keys did; else keeps it for the others to sign.
   * @throws ProblemError saying which part of it does not follow from what is published now
   */
  change(request: TrustChange): Promise<TrustOutcome> {
    return refusing(() =>
      this.database.transaction(async (sql) => {
        await lockTrust(sql);
        const current = await this.store.current(sql);
        if (current === undefined) throw conflict('publisher-missing', NOT_FOUNDED);
        const proposal = withKept(readProposal(request), await keptProposal(sql), current.root.metadata);
        for (const role of ['root', 'targets'] as const) {
          const next = proposal[role]?.signed.version;
          if (next === undefined || next === current[role].version + 1) continue;
          throw conflict(
            'metadata-outdated',
            `Expected ${role} metadata of version ${current[role].version + 1}, got version ${next}. Somebody else has published meanwhile: try again.`,
          );
        }
        return this.publishOrKeep(sql, proposal, current);
      }),
    );
  }

  private async publishOrKeep(
    sql: Sql,
    proposal: Proposal,
    current: CurrentMetadata | undefined,
  ): Promise<TrustOutcome & { id: string }> {
    const root = proposal.root ?? current?.root.metadata;
    const targets = proposal.targets ?? current?.targets.metadata;
    if (root === undefined || targets === undefined || (proposal.root ?? proposal.targets) === undefined) {
      throw badRequest('trust-incomplete', 'Expected root metadata, targets metadata, or both; got neither.');
    }
    refuseExpired(root, targets);
    refuseDelegations(targets.signed);
    const missing = missingIn(proposal, current?.root.metadata);
    refuseUnsigned(proposal, root, current);
    const signers = new Set(signaturesOn(root, 'targets', targets).keyIds);
    const keys = contentOfRoot(root).roles.targets.keys;
    const changes = compareReleases(current?.targets.metadata.signed, targets.signed);
    const registration = await this.releases.prepare(sql, changes, proposal.variants, {
      publisher: keys
        .filter((key) => signers.has(idOf(key)))
        .map(({ name }) => name)
        .join(', '),
      publisherKeys: keys.map(({ publicKey }) => publicKey),
    });
    for (const file of proposal.files) await this.store.publishTarget(sql, file);
    const directors = await this.readTarget(sql, targets, DIRECTOR_TARGET);
    await this.refuseUnknownDirectors(directors.keys.map(idOf));
    const { releases: stopped } = await this.readTarget(sql, targets, STOPPED_TARGET);
    if (missing.root + missing.targets > 0) {
      await keepProposal(sql, proposal);
      return { id: 'proposal', published: false, missing, releases: [], revoked: [] };
    }
    if (proposal.root !== undefined) {
      if (current !== undefined) verifyNextRoot(current.root.metadata, proposal.root);
      await this.store.publish(sql, 'root', proposal.root);
    }
    verifyRole(root, 'targets', targets);
    const published =
      proposal.targets === undefined
        ? (current as CurrentMetadata).targets
        : await this.store.publish(sql, 'targets', proposal.targets);
    await this.signing.publish(sql, root, published, current);
    await registration.apply();
    await forgetProposal(sql);
    const revoked = [...changes.removed];
    await sql.query(RING, [[...revoked, ...stopped]]);
    const releases = changes.added.map(({ release }) => release);
    return { id: releases[0] ?? `targets ${published.version}`, published: true, missing, releases, revoked };
  }

  /** Assignments that nobody here can sign would leave the fleet without any. */
  private async refuseUnknownDirectors(keyIds: readonly string[]): Promise<void> {
    if ((await this.keys.signersFor('director', keyIds)).length > 0) return;
    throw conflict(
      'director-key-unlisted',
      'Expected one of the keys that this control plane signs assignments with to be listed, found none. See: aviary key list',
    );
  }

  private async readTarget<Name extends FleetTarget>(sql: Sql, targets: RoleMetadata<'targets'>, name: Name) {
    const signed = fleetTargetOf(targets.signed, name);
    if (signed === undefined) throw new TufError('target-invalid', `expected ${name} among the signed targets`);
    const bytes = await this.store.target(signed.sha256, sql);
    if (bytes === undefined) {
      throw new TufError(
        'target-invalid',
        `expected the content of ${name} (SHA-256 ${signed.sha256}) with the change`,
      );
    }
    return readFleetTarget(name, signed, bytes);
  }
}

const idOf = ({ publicKey }: NamedKey): string => keyId(publicKey);
const named = ({ name, publicKey }: NamedKey) => ({ keyId: keyId(publicKey), name, publicKey });

/** What metadata says that must not be believed is a refusal of the request. */
const refusing = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TufError) throw badRequest(error.code, `${sentence(error.message)}.`);
    throw error;
  }
};

const sentence = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);
