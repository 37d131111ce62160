import { describe, expect, it } from 'vitest';
import { METER_READER_TARGET as target } from '../testing/meter-reader.ts';
import { type Assignment, signAssignment, verifyAssignment } from './assignment.ts';
import { type AssignmentContext, checkAssignment } from './assignment-check.ts';
import { signDocument } from './dsse.ts';
import { generateSigningKey, signerOf } from './signing-key.ts';

const release = {
  release: 'meter-reader@1.1.0',
  releaseCounter: 2,
  rollbackFloor: 1,
  minAgent: '0.1.0',
  issuedAt: 1_000,
  publisherKey: signerOf(generateSigningKey()).publicKeyPem,
};
const variant = { release, target };
const assignment: Assignment = {
  deviceId: 'd-1',
  epoch: 1,
  sequence: 7,
  issuedAt: 2_000,
  expires: 10_000,
  release: 'meter-reader@1.1.0',
  releaseCounter: 2,
  targetPath: target.path,
  variant: 'onnx-fp32',
  ageHeader: Buffer.from('header').toString('base64'),
  rolloutId: 'r-1',
  executionId: 'x-1',
  probation: { seconds: 30, minFrames: 100, maxErrorRate: 0.01, maxLowConfidenceRate: 0.2, maxP95Ratio: 1.5 },
};
const context: AssignmentContext = {
  assignment,
  variant,
  deviceId: 'd-1',
  epoch: 1,
  lastSequence: 6,
  models: ['other', 'meter-reader'],
  profile: 'rpi5',
  rollbackFloor: 1,
  agentVersion: '0.1.0',
  now: 5_000,
};

describe('checkAssignment', () => {
  it('accepts the next one, and says which variant', () => {
    expect(checkAssignment(context)).toEqual({ status: 'accepted', variant });
  });

  it('accepts without a model line and without an agent version', () => {
    const { models: _, agentVersion: __, ...rest } = context;
    expect(checkAssignment(rest).status).toBe('accepted');
  });

  it('calls the same sequence unchanged, and never stops what runs by its expiry, or because it was revoked', () => {
    const same = { ...context, lastSequence: 7 };
    expect(checkAssignment(same)).toEqual({ status: 'unchanged', expired: false });
    expect(checkAssignment({ ...same, now: 10_000 })).toEqual({ status: 'unchanged', expired: true });
    expect(checkAssignment({ ...same, variant: undefined })).toEqual({ status: 'unchanged', expired: false });
  });

  it('accepts a release at the floor', () => {
    expect(checkAssignment({ ...context, rollbackFloor: 2 }).status).toBe('accepted');
  });

  it('accepts until the millisecond before the expiry', () => {
    expect(checkAssignment({ ...context, now: 9_999 }).status).toBe('accepted');
  });

  it.each<[string, Partial<AssignmentContext>]>([
    ['wrong-device', { deviceId: 'd-2' }],
    ['wrong-epoch', { epoch: 2 }],
    ['replayed', { lastSequence: 8 }],
    ['expired', { now: 10_000 }],
    ['statement-mismatch', { variant: { target, release: { ...release, release: 'meter-reader@1.2.0' } } }],
    ['statement-mismatch', { variant: { target, release: { ...release, releaseCounter: 3 } } }],
    ['statement-mismatch', { assignment: { ...assignment, variant: 'onnx-int8' } }],
    ['wrong-model', { models: ['face-finder', 'other'] }],
    ['below-floor', { rollbackFloor: 3 }],
    ['unknown-target', { variant: undefined }],
    ['wrong-profile', { profile: 'jetson-orin-nano' }],
    ['wrong-profile', { profile: null }],
    ['agent-too-old', { agentVersion: '0.0.9' }],
    ['agent-too-old', { agentVersion: '0.1.0-rc.2' }],
  ])('refuses with %s', (code, change) => {
    expect(checkAssignment({ ...context, ...change })).toMatchObject({ status: 'refused', code });
  });

  it.each([
    ['0.10.0', '0.9.0', 'accepted'],
    ['0.9.0', '0.10.0', 'refused'],
    ['1.0.0-rc.10', '1.0.0-rc.9', 'accepted'],
    ['1.0.0-rc.9', '1.0.0-rc.10', 'refused'],
    ['1.0.0-1', '1.0.0-alpha', 'refused'],
    ['1.0.0-alpha', '1.0.0-alpha.1', 'refused'],
    ['1.0.0+build.2', '1.0.0', 'accepted'],
  ])('agent %s for a release that needs %s: %s', (agentVersion, minAgent, status) => {
    const needing = { target, release: { ...release, minAgent } };
    expect(checkAssignment({ ...context, agentVersion, variant: needing }).status).toBe(status);
  });
});

describe('a signed assignment', () => {
  const publisher = signerOf(generateSigningKey());
  const director = signerOf(generateSigningKey());

  it('comes back as it was signed', () => {
    expect(verifyAssignment(signAssignment(assignment, [director]), [director.publicKeyPem])).toEqual(assignment);
  });

  it('is not believed from the wrong role', () => {
    expect(() => verifyAssignment(signAssignment(assignment, [publisher]), [director.publicKeyPem])).toThrow(
      expect.objectContaining({ code: 'dsse-untrusted' }),
    );
  });

  it('is no other document of the same key', () => {
    const other = signDocument('application/vnd.aviary.other+json', assignment, [director]);
    expect(() => verifyAssignment(other, [director.publicKeyPem])).toThrow(
      expect.objectContaining({ code: 'dsse-wrong-type' }),
    );
  });

  it('is not signed with a rate above 1', () => {
    const probation = { ...assignment.probation, maxErrorRate: 1.5 };
    expect(() => signAssignment({ ...assignment, probation }, [director])).toThrow();
  });
});
