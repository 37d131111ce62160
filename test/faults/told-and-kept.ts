import { join } from 'node:path';
import type { TelemetryBatch } from '@aviary/protocol';
import type { JournalState } from '../../apps/agent/src/state/journal.ts';
import { sequenceOf } from './device-plane.ts';
import { type DiskImage, sha256Of } from './disk-history.ts';

/** What the world has seen of a device, which no power cut can take back. */
export type Seen =
  /** The gateway has stored a batch. */
  | { readonly kind: 'batch'; readonly batch: TelemetryBatch }
  /** A connection with this number was made. */
  | { readonly kind: 'session'; readonly session: number }
  /** An application has got an answer of this release. */
  | { readonly kind: 'answer'; readonly release: string };

const bytesAt = (image: DiskImage, path: string): Buffer | undefined => {
  const entry = image.get(path);
  return entry?.kind === 'file' ? entry.content : undefined;
};

const jsonAt = <T>(image: DiskImage, path: string): T | undefined => {
  const bytes = bytesAt(image, path);
  return bytes === undefined ? undefined : JSON.parse(bytes.toString('utf8'));
};

/** The journal of an image. @throws when it is there and not whole: it is replaced as a whole, and is never damaged by a cut */
export const journalOf = (image: DiskImage): JournalState | undefined => jsonAt(image, 'journal.json');

/**
 * What is wrong with what the disk holds after a power cut: it must be whole wherever something counts, and must not know
 * less than what was seen outside. Empty when all is well.
 */
export const faultsOf = (image: DiskImage, seen: readonly Seen[]): string[] => [
  ...tornFiles(image),
  ...forgotten(image, seen),
];

function* tornFiles(image: DiskImage): Generator<string> {
  for (const path of ['journal.json', 'journal.last.json']) if (!isJson(bytesAt(image, path))) yield `${path} is torn`;
  for (const [path, entry] of image) {
    const [folder, name = '', file] = path.split('/');
    if (folder === 'releases' && /^[0-9a-f]{64}$/.test(name) && entry.kind === 'file') {
      if (sha256Of(entry.content) !== name) yield `${path} is not what its name says`;
    }
    const isSpooled = folder === 'spool' && name.endsWith('.json');
    if (isSpooled && !isJson(bytesAt(image, path))) yield `${path} is torn`;
    const current = image.get('trust/current');
    const isTrusted = folder === 'trust' && current?.kind === 'link' && current.target === name;
    if (isTrusted && file !== undefined && !isJson(bytesAt(image, path))) yield `${path} is torn`;
    if (isTrusted && file === undefined) {
      for (const role of ['root', 'targets', 'snapshot', 'timestamp']) {
        if (!image.has(join(path, `${role}.json`))) yield `${path} is without its ${role}`;
      }
    }
  }
}

const isJson = (bytes: Buffer | undefined): boolean => {
  try {
    if (bytes !== undefined) JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
};

function* forgotten(image: DiskImage, seen: readonly Seen[]): Generator<string> {
  const journal = isJson(bytesAt(image, 'journal.json')) ? journalOf(image) : undefined;
  for (const one of seen) {
    if (one.kind === 'session' && (journal?.session ?? 0) < one.session) {
      yield `connection ${one.session} was made, the journal has ${journal?.session}`;
    } else if (one.kind === 'batch') {
      yield* forgottenBatch(image, one.batch);
      yield* forgottenDecisions(journal, one.batch);
    } else if (one.kind === 'answer') {
      const { committed, previous, candidate } = journal ?? {};
      const tried = candidate?.stage === 'probation' ? candidate.release.release : undefined;
      if (![committed?.release, previous?.release, tried].includes(one.release)) {
        yield `${one.release} has answered, the journal has ${committed?.release}, and ${tried} on probation`;
      }
    }
  }
}

/** A number means one batch for ever. */
function* forgottenBatch(image: DiskImage, batch: TelemetryBatch): Generator<string> {
  const position = readable<{ readonly seq: number }>(image, 'spool/position.json');
  const inFlight = readable<{ readonly batch: TelemetryBatch }>(image, 'spool/in-flight.json');
  if ((position?.seq ?? 0) >= batch.seq) return;
  if (JSON.stringify(inFlight?.batch) === JSON.stringify(batch)) return;
  yield `batch ${batch.seq} was sent, the spool stands at ${position?.seq} with ${inFlight?.batch.seq} in flight`;
}

const readable = <T>(image: DiskImage, path: string): T | undefined =>
  isJson(bytesAt(image, path)) ? jsonAt<T>(image, path) : undefined;

function* forgottenDecisions(journal: JournalState | undefined, { records }: TelemetryBatch): Generator<string> {
  for (const record of records) {
    if (record.type !== 'execution') continue;
    const { executionId, state } = record;
    const isEnded = journal?.endedExecutions.includes(executionId) ?? false;
    // Another may have taken its place since, and never one that was assigned before it.
    const isKnown = sequenceOf(executionId) <= (journal?.sequence ?? 0);
    if (!isKnown) yield `${executionId} was told to be ${state}, the journal stands at assignment ${journal?.sequence}`;
    const isEnd = ['SUCCEEDED', 'STAGED', 'FAILED', 'REJECTED', 'ROLLED_BACK'].includes(state);
    if (isEnd && !isEnded) yield `${executionId} was told to have ended as ${state}, for the journal it goes on`;
  }
}
