import { randomUUID } from 'node:crypto';
import type { TelemetryRecord } from '@aviary/protocol';
import { type Assignment, type DsseEnvelope, type Signer, signAssignment } from '@aviary/release';
import type { RepositorySimulator } from '@aviary/release/testing';
import { afterAll, expect } from 'vitest';
import { TemporaryFolders } from '../../apps/agent/src/inference/testing/light-release.ts';
import type { SupervisorOptions } from '../../apps/agent/src/supervisor.ts';
import { director, identity, newRepository, type SealedRelease } from '../../apps/agent/src/testing/sealed-release.ts';
import { supervisedDevices } from '../../apps/agent/src/testing/supervised-device.ts';
import { sealFolder, writeTrainableRelease } from '../../apps/agent/src/testing/trainable-release.ts';
import { HostilePlane } from './hostile-plane.ts';

const MODEL = 'light-reader';
/** Over as soon as the new release has answered some pictures. */
const PROBATION = { seconds: 0.2, minFrames: 3, maxErrorRate: 0.1, maxLowConfidenceRate: 1, maxP95Ratio: 1_000 };
const WEEK_MS = 7 * 86_400_000;

/** What a release is, as far as it is not the usual one. */
export interface ReleaseChange {
  readonly model?: string;
  readonly rollbackFloor?: number;
  /** Firmware profiles that it is for. */
  readonly profiles?: readonly string[];
}

/** Real agents whose control plane is in somebody else's hands. To be called once, at the top of a test file. */
export const attackedDevices = () => {
  const { prepare, start, storingGateway, pki, onEnd } = supervisedDevices();
  const folders = new TemporaryFolders();
  afterAll(() => folders.remove());

  /** A release that runs, of this counter; its version is `1.COUNTER.0`. */
  const releaseOf = async (counter: number, change: ReleaseChange = {}): Promise<SealedRelease> => {
    const { model = MODEL, rollbackFloor = 0, profiles } = change;
    const release = `${model}@1.${counter}.0`;
    const written = await writeTrainableRelease(folders.make(), {
      manifest: { release, releaseCounter: counter, rollbackFloor },
    });
    const sealed = await sealFolder(written);
    if (profiles === undefined) return sealed;
    const targets = sealed.statement.targets.map((target) => ({ ...target, profiles: [...profiles] }));
    return { ...sealed, statement: { ...sealed.statement, targets } };
  };

  /** A device that serves `release`, and what whoever attacks it has in hand. */
  const attacked = async (release: SealedRelease, change: Partial<SupervisorOptions> = {}) => {
    const repository = newRepository();
    repository.publish({ releases: [release.statement] });
    const plane = new HostilePlane(repository);
    const deviceUrl = await plane.start(pki());
    onEnd(() => plane.stop());
    const { mqttUrl, records, gateway } = await storingGateway();
    const { options, stateDirectory } = await prepare(release, { pollSeconds: 0.2, telemetrySeconds: 0.2, ...change });
    const device = new AttackedDevice(plane, repository, records, stateDirectory);
    /** @param ageIdentity another board's, which lacks the key of this one */
    const begin = (ageIdentity = identity.ageIdentity) => start(options, { deviceUrl, mqttUrl, ageIdentity });
    return { device, plane, repository, gateway, begin };
  };

  /** The same, begun, and serving. */
  const begun = async (release: SealedRelease, change: Partial<SupervisorOptions> = {}) => {
    const setting = await attacked(release, change);
    await setting.begin();
    await setting.device.comesToServe(release);
    return setting;
  };

  return { releaseOf, attacked, begun, pki, onEnd };
};

/** A device as its fleet sees it, and whoever attacks it makes it hear things. */
export class AttackedDevice {
  #sequence = 0;

  constructor(
    private readonly plane: HostilePlane,
    private readonly repository: RepositorySimulator,
    private readonly records: () => TelemetryRecord[],
    readonly stateDirectory: string,
  ) {}

  /** An assignment of a release, with the next sequence number, signed by the director unless told otherwise. */
  signed({ held }: SealedRelease, change: Partial<Assignment> = {}, signer: Signer = director): DsseEnvelope {
    this.#sequence += 1;
    const now = Date.now();
    const { release, releaseCounter, variant, targetPath, ageHeader } = held;
    const assignment: Assignment = {
      deviceId: identity.deviceId,
      epoch: identity.epoch,
      sequence: this.#sequence,
      issuedAt: now,
      expires: now + WEEK_MS,
      rolloutId: randomUUID(),
      executionId: randomUUID(),
      probation: PROBATION,
      ...{ release, releaseCounter, variant, targetPath, ageHeader, ...change },
    };
    return signAssignment(assignment, [signer]);
  }

  /** The control plane assigns a release, whose bytes it has. */
  isAssigned(release: SealedRelease, change: Partial<Assignment> = {}, signer: Signer = director): void {
    this.plane.blobs.set(release.held.sha256, release.sealed);
    this.plane.assignment = this.signed(release, change, signer);
  }

  /** The publisher publishes a release beside those that there are. */
  published(...releases: SealedRelease[]): void {
    const { edition } = this.repository;
    this.repository.publish({ releases: [...edition.releases, ...releases.map(({ statement }) => statement)] });
  }

  /** Waits until it says that it serves a release. */
  async comesToServe({ held }: SealedRelease): Promise<void> {
    await expect.poll(() => this.served.at(-1)).toBe(held.release);
  }

  /** The attack is over: what the publisher signed is assigned, and taken. */
  async takes(release: SealedRelease): Promise<void> {
    this.published(release);
    this.isAssigned(release);
    await this.comesToServe(release);
    await expect.poll(() => this.executions.at(-1)?.state).toBe('SUCCEEDED');
  }

  /** Waits until it has reported that an assignment was refused, and why. */
  async refuses(code: string): Promise<void> {
    const isRefused = () => this.events.some((event) => event.startsWith(`assignment-refused: ${code}: `));
    await expect.poll(isRefused, { message: `refused with ${code}` }).toBe(true);
  }

  /** Waits until an execution has come to nothing, and why. */
  async gaveUp(code: string): Promise<void> {
    await expect.poll(() => this.executions.some(({ reason }) => reason?.code === code)).toBe(true);
  }

  /** Every release that it has said to serve, in order. */
  get served(): (string | null)[] {
    return this.records().flatMap((record) => (record.type === 'running' ? [record.release] : []));
  }

  get events(): string[] {
    return this.records().flatMap((record) => (record.type === 'event' ? [`${record.code}: ${record.message}`] : []));
  }

  get executions() {
    return this.records().flatMap((record) => (record.type === 'execution' ? [record] : []));
  }
}
