import type { ServerResponse } from 'node:http';
import {
  type AssignmentResponse,
  type Doorbell,
  deviceRoutes,
  deviceTopics,
  type Problem,
  type TelemetryBatch,
  type TelemetryRecord,
} from '@aviary/protocol';
import { type Assignment, type Probation, signAssignment } from '@aviary/release';
import type { RepositorySimulator } from '@aviary/release/testing';
import type { TestPki } from '../../apps/agent/src/testing/fleet-pki.ts';
import { FleetServer } from '../../apps/agent/src/testing/fleet-server.ts';
import { director, identity, newRepository, type SealedRelease } from '../../apps/agent/src/testing/sealed-release.ts';
import { TestGateway } from '../../apps/agent/src/testing/test-gateway.ts';

const HOUR_MS = 3_600_000;
export const PROBATION: Probation = {
  seconds: 0,
  minFrames: 1,
  maxErrorRate: 0.1,
  maxLowConfidenceRate: 0.5,
  maxP95Ratio: 1_000,
};
const topics = deviceTopics(identity.deviceId);
/** The execution as which an assignment of this sequence is tried. */
export const executionOf = (sequence: number): string =>
  `00000000-0000-4000-8000-${String(sequence).padStart(12, '0')}`;
/** The other way round. */
export const sequenceOf = (executionId: string): number => Number(executionId.slice(-12));
const pathOf = (route: { readonly path: string }): string => route.path.replace(/:\w+$/, '');

/** What one device meets of a control plane: its assignment, the image repository, sealed bytes, and a gateway that stores all. */
export class DevicePlane {
  readonly repository: RepositorySimulator;
  /** Over all connections. */
  readonly batches: TelemetryBatch[] = [];
  /** While true HTTPS is not answered. */
  isAway = false;
  /** Sends sealed bytes from `start` on; when a test has its own manner of it. */
  sendBlob: (response: ServerResponse, bytes: Buffer, start: number) => void = (response, bytes, start) =>
    void response.end(bytes.subarray(start));
  /** Told before the gateway acknowledges. */
  onBatch: (batch: TelemetryBatch) => void = () => undefined;
  /** Told of the number of each connection. */
  onSession: (session: number) => void = () => undefined;
  #assignment: AssignmentResponse | undefined;
  readonly #blobs = new Map<string, Buffer>();
  readonly #gateway = new TestGateway();
  readonly #server = new FleetServer(
    ({ url = '', headers }, response) => {
      if (this.isAway) response.destroy();
      else void this.#answer(response, url, Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0));
    },
    { rejectUnauthorized: false },
  );

  /** @param releases what the publisher has published, and the blob store has */
  constructor(releases: readonly SealedRelease[], repository: RepositorySimulator = newRepository()) {
    this.repository = repository;
    repository.publish({ releases: releases.map(({ statement }) => statement) });
    for (const { held, sealed } of releases) this.#blobs.set(held.sha256, sealed);
  }

  /** All that was told, in order. */
  get records(): readonly TelemetryRecord[] {
    return this.batches.filter(({ seq }, i) => seq !== this.batches[i - 1]?.seq).flatMap(({ records }) => records);
  }

  /** Codes of the events that were told. */
  get events(): readonly string[] {
    return this.records.flatMap((record) => (record.type === 'event' ? record.code : []));
  }

  /** @param ports where it was before, for a plane that comes back */
  async start(pki: TestPki, ports = { device: 0, mqtt: 0 }) {
    const deviceUrl = await this.#server.start(pki, ports.device);
    this.#gateway.onPublished = (topic, payload) => this.#hear(topic, payload);
    const port = await this.#gateway.start(pki.fleetCa, pki.server, ports.mqtt);
    return { deviceUrl, mqttUrl: `mqtts://127.0.0.1:${port}` };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#server.stop(), this.#gateway.stop()]);
  }

  /** Signs that the device should run a release; it finds that when it looks. */
  assign({ statement, held }: SealedRelease, sequence: number, change: Partial<Assignment> = {}): void {
    const assignment: Assignment = {
      deviceId: identity.deviceId,
      epoch: identity.epoch,
      sequence,
      issuedAt: Date.now() - 1_000,
      expires: Date.now() + HOUR_MS,
      release: statement.release,
      releaseCounter: statement.releaseCounter,
      targetPath: held.targetPath,
      variant: held.variant,
      ageHeader: held.ageHeader,
      rolloutId: 'r1',
      executionId: executionOf(sequence),
      probation: PROBATION,
      ...change,
    };
    this.#assignment = { assignment: signAssignment(assignment, [director]) };
  }

  ring(reason: Doorbell['reason']): void {
    this.#gateway.publish(topics.doorbell, JSON.stringify({ reason }));
  }

  #hear(topic: string, payload: string): void {
    if (topic === topics.presence) this.onSession(JSON.parse(payload).session);
    if (topic !== topics.telemetry) return;
    const batch: TelemetryBatch = JSON.parse(payload);
    this.batches.push(batch);
    this.onBatch(batch);
    setImmediate(() => this.#gateway.publish(topics.ack, JSON.stringify({ epoch: batch.epoch, seq: batch.seq })));
  }

  async #answer(response: ServerResponse, path: string, start: number): Promise<void> {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (path === deviceRoutes.assignment.path && this.#assignment !== undefined) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(this.#assignment));
      return;
    }
    const blob = path.startsWith(pathOf(deviceRoutes.blob)) ? this.#blobs.get(name) : undefined;
    if (blob !== undefined) {
      if (start === 0) response.writeHead(200);
      else response.writeHead(206, { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` });
      this.sendBlob(response, blob, start);
      return;
    }
    const file = path.startsWith(pathOf(deviceRoutes.metadata))
      ? await this.repository.source(name, Number.POSITIVE_INFINITY)
      : this.repository.contents.get(name);
    if (file !== undefined) response.writeHead(200).end(file);
    else refuse(response);
  }
}

const refuse = (response: ServerResponse): void => {
  const problem: Problem = { type: 'about:blank', title: 'Refused', status: 404, code: 'unknown', detail: 'unknown' };
  response.writeHead(404, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
};
