import type { IncomingMessage, ServerResponse } from 'node:http';
import { deviceRoutes, PROBLEM_CONTENT_TYPE, type Problem } from '@aviary/protocol';
import type { DsseEnvelope } from '@aviary/release';
import type { RepositorySimulator } from '@aviary/release/testing';
import type { TestPki } from '../../apps/agent/src/testing/fleet-pki.ts';
import { FleetServer } from '../../apps/agent/src/testing/fleet-server.ts';

const METADATA = deviceRoutes.metadata.path.replace(':file', '');
const TARGETS = deviceRoutes.fleetTarget.path.replace(':sha256', '');
const BLOBS = deviceRoutes.blob.path.replace(':sha256', '');

/** Answers a request in its own way. @returns whether it did; what it leaves is answered honestly */
export type Bend = (path: string, response: ServerResponse, request: IncomingMessage) => boolean;

/**
 * A device plane in the hands of somebody else: it has the servers' certificate, all that lies on the control plane, and
 * gives out what it wants. Metadata is the simulator's, whose files may be replaced one by one.
 */
export class HostilePlane {
  /** What the device should run, in the words of whoever signed it. */
  assignment: DsseEnvelope | undefined;
  /** Sealed bytes, by the digest under which they are asked for. */
  readonly blobs = new Map<string, Uint8Array>();
  bend: Bend = () => false;
  /** Path of every request. */
  readonly asked: string[] = [];
  readonly #server = new FleetServer((request, response) => void this.#answer(request, response));

  constructor(readonly repository: RepositorySimulator) {}

  /** Serves, with the certificate of a server of the fleet. @returns its address */
  start(pki: TestPki): Promise<string> {
    return this.#server.start(pki);
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    this.asked.push(path);
    if (this.bend(path, response, request)) return;
    if (path === deviceRoutes.assignment.path) {
      if (this.assignment === undefined) return refuse(response, 'assignment-unknown');
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ assignment: this.assignment }));
      return;
    }
    const bytes = await this.#bytesAt(path);
    if (bytes === undefined) return refuse(response, 'unknown');
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (start === 0) response.writeHead(200);
    else response.writeHead(206, { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` });
    response.end(bytes.subarray(start));
  }

  async #bytesAt(path: string): Promise<Uint8Array | undefined> {
    const { repository } = this;
    if (path.startsWith(METADATA)) return repository.source(path.slice(METADATA.length), Number.POSITIVE_INFINITY);
    if (path.startsWith(TARGETS)) return repository.contents.get(path.slice(TARGETS.length));
    if (path.startsWith(BLOBS)) return this.blobs.get(path.slice(BLOBS.length));
    return undefined;
  }
}

export const isMetadata = (path: string, file: string): boolean => path === `${METADATA}${file}`;
export const isFleetTarget = (path: string, sha256: string): boolean => path === `${TARGETS}${sha256}`;
export const isBlob = (path: string): boolean => path.startsWith(BLOBS);

/** Far more than any metadata or release here: who has taken so much was not stopped. */
export const MOST_BYTES = 64 * 2 ** 20;

/** Sends for as long as somebody reads, up to `MOST_BYTES`. @returns tells how many bytes were taken so far */
export const pour = (response: ServerResponse): (() => number) => {
  let sent = 0;
  const piece = Buffer.alloc(64 * 1024, ' ');
  const more = (): void => {
    while (!response.destroyed && sent < MOST_BYTES) {
      sent += piece.length;
      if (!response.write(piece)) return void response.once('drain', more);
    }
    response.end();
  };
  more();
  return () => sent;
};

const refuse = (response: ServerResponse, code: string): void => {
  const problem: Problem = { type: 'about:blank', title: 'none', status: 404, code, detail: code };
  response.writeHead(404, { 'content-type': PROBLEM_CONTENT_TYPE }).end(JSON.stringify(problem));
};
