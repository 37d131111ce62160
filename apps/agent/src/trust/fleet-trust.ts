import { ApiError, deviceRoutes, routeUrl } from '@aviary/protocol';
import {
  DIRECTOR_TARGET,
  type FleetTarget,
  fleetTargetOf,
  ImageRepository,
  type KeptMetadata,
  readFleetTarget,
  STOPPED_TARGET,
  type TrustedMetadata,
  TufError,
  type VariantTarget,
  variantTargetOf,
} from '@aviary/release';
import type { Identity } from '../identity/identity.ts';
import { AnswerTooLongError, type DeviceApi } from '../link/device-api.ts';
import { type HeldRelease, type Journal, withOutcome } from '../state/journal.ts';

const REVOKED = {
  code: 'revoked',
  message: 'the publisher took the release back before this device had committed it',
};

/** What the publisher allows this fleet, as it was proved last. */
export interface Allowed {
  /** PEM: who may sign assignments. */
  readonly directorKeys: readonly string[];
  /** Until when nothing newer has to be asked for: the earliest expiry, in milliseconds since 1970. */
  readonly expires: number;
  /** The variant at a target's path; undefined when the publisher has none there, or has taken it back. */
  variant(path: string): VariantTarget | undefined;
}

/** Follows the image repository of the fleet, and lets what it says of this device count at once. */
export class FleetTrust {
  readonly #repository: ImageRepository;
  readonly #api: Pick<DeviceApi, 'bytes'>;
  readonly #journal: Journal;
  readonly #onNews: () => void;
  readonly #patienceMs: number;
  #allowed: Allowed | undefined;
  /** As they came last: they rarely change. */
  readonly #fleetTargets = new Map<FleetTarget, { readonly sha256: string; readonly bytes: Uint8Array }>();
  /** By `performance.now()`, which no clock that is set can move. */
  #askedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param metadata where it is kept: a folder of its own, or something in its place
   * @param patienceMs for one file: metadata is small, and what takes longer is held back by somebody
   * @param onNews is called when something that this device has may no longer run
   */
  constructor(
    { metadata, patienceMs }: { readonly metadata: string | KeptMetadata; readonly patienceMs: number },
    { root }: Pick<Identity, 'root'>,
    api: Pick<DeviceApi, 'bytes'>,
    journal: Journal,
    onNews: () => void,
  ) {
    this.#api = api;
    this.#journal = journal;
    this.#onNews = onNews;
    this.#patienceMs = patienceMs;
    this.#repository = new ImageRepository(metadata, root, (file, limit) =>
      this.#fetch(routeUrl(deviceRoutes.metadata, { params: { file } }), limit),
    );
  }

  /**
   * What is allowed, as the repository said after `moment`; it is asked when that is too long ago.
   * @param moment by `performance.now()`
   * @throws TufError when what it says must not be believed, or has expired; Error when it was not reached
   */
  async since(moment: number): Promise<Allowed> {
    if (this.#allowed === undefined || this.#askedAt < moment) {
      const now = performance.now();
      this.#allowed = await this.#ask();
      this.#askedAt = now;
    }
    return this.#allowed;
  }

  async #ask(): Promise<Allowed> {
    // A clock before what was signed is wrong: boards without one wake up in 1970.
    const now = Math.max(Date.now(), this.#journal.state.timeFloor);
    const metadata = await this.#repository.refresh(now);
    const { targets } = metadata.targets.signed;
    const allowed: Allowed = {
      directorKeys: (await this.#fleetTarget(metadata, DIRECTOR_TARGET)).keys.map(({ publicKey }) => publicKey),
      expires: Math.min(...Object.values(metadata).map(({ signed }) => Date.parse(signed.expires))),
      variant: (path) => {
        const file = targets[path];
        return file === undefined ? undefined : variantTargetOf(file);
      },
    };
    await this.#applyHere(allowed, (await this.#fleetTarget(metadata, STOPPED_TARGET)).releases);
    return allowed;
  }

  /** What it says of the releases that this device has or is about to have holds from now on, also without a network. */
  async #applyHere(allowed: Allowed, stopped: readonly string[]): Promise<void> {
    const isSigned = (release: HeldRelease): boolean =>
      allowed.variant(release.targetPath)?.target.sha256 === release.sha256;
    const { state: before } = this.#journal;
    await this.#journal.update((state) => {
      const { committed, candidate, rollbackFloor } = state;
      // A publisher raises the floor once the fleet has moved: what runs here counts, not what is about to.
      const raised = committed !== null && isSigned(committed) ? allowed.variant(committed.targetPath) : undefined;
      const floor = Math.max(rollbackFloor, raised?.release.rollbackFloor ?? 0);
      const isFresh = candidate === null || (isSigned(candidate.release) && candidate.allowedUntil === allowed.expires);
      // Asked once an hour for years: flash is not written for what it says already.
      if (isFresh && floor === rollbackFloor && stopped.join() === state.stopped.join()) return undefined;
      return {
        rollbackFloor: floor,
        stopped: [...stopped],
        ...(candidate === null
          ? {}
          : isSigned(candidate.release)
            ? { candidate: { ...candidate, allowedUntil: allowed.expires } }
            : withOutcome(state, { executionId: candidate.release.executionId, state: 'REJECTED', reason: REVOKED })),
      };
    });
    const { stopped: now, candidate } = this.#journal.state;
    if (now.join() !== before.stopped.join() || (before.candidate !== null && candidate === null)) this.#onNews();
  }

  async #fleetTarget<Name extends FleetTarget>({ targets }: TrustedMetadata, name: Name) {
    const signed = fleetTargetOf(targets.signed, name);
    if (signed === undefined) throw new TufError('target-invalid', `expected ${name} among the signed targets`);
    const { length, sha256 } = signed;
    const known = this.#fleetTargets.get(name);
    if (known?.sha256 === sha256) return readFleetTarget(name, signed, known.bytes);
    const bytes = await this.#fetch(routeUrl(deviceRoutes.fleetTarget, { params: { sha256 } }), length);
    if (bytes === undefined) throw new Error(`the control plane does not have ${name} (${sha256})`);
    const content = readFleetTarget(name, signed, bytes);
    this.#fleetTargets.set(name, { sha256, bytes });
    return content;
  }

  /** @returns undefined when there is no such file */
  async #fetch(path: string, limit: number): Promise<Uint8Array | undefined> {
    try {
      return await this.#api.bytes(path, limit, this.#patienceMs);
    } catch (error) {
      if (error instanceof ApiError && error.problem.status === 404) return undefined;
      if (error instanceof AnswerTooLongError) throw new TufError('metadata-refused', `${path}: ${error.message}`);
      throw error;
    }
  }
}
