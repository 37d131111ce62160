import { createHash } from 'node:crypto';
import type { AssignedRelease, HeldRelease } from '../state/journal.ts';

export const sha256Of = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

/** A release that exists only as an entry of the journal; its digests follow from its name. */
export const heldRelease = (name: string, change: Partial<HeldRelease> = {}): HeldRelease => ({
  release: `${name}@1.0.0`,
  variant: 'onnx-fp32',
  releaseCounter: 1,
  rollbackFloor: 0,
  sha256: sha256Of(`sealed ${name}`),
  length: 100,
  digest: sha256Of(`plain ${name}`),
  ageHeader: 'aGVhZGVy',
  targetPath: `${name}/1.0.0/onnx-fp32.age-payload`,
  publisherKey: '-----BEGIN PUBLIC KEY-----',
  ...change,
});

/** The same, as it is assigned by an execution. */
export const assignedRelease = (
  name: string,
  executionId: string,
  change: Partial<AssignedRelease> = {},
): AssignedRelease => ({
  ...heldRelease(name),
  executionId,
  probation: { seconds: 0, minFrames: 1, maxErrorRate: 0.1, maxLowConfidenceRate: 0.5, maxP95Ratio: 3 },
  ...change,
});
