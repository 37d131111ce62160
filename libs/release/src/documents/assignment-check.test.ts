import { describe, expect, it } from 'vitest';
import { type Assignment, signAssignment, verifyAssignment } from './assignment.ts';
import { type AssignmentContext, checkAssignment } from './assignment-check.ts';
import { type ReleaseStatement, signReleaseStatement, verifyReleaseStatement } from './release-statement.ts';
import { generateSigningKey, signerOf } from './signing-key.ts';

const digest = (digit: string) => digit.repeat(64);
const target = {
  path: 'meter-reader/1.1.0/onnx-fp32.age-payload',
  variant: 'onnx-fp32',
  runtime: 'onnxruntime',
  format: 'onnx',
  precision: 'fp32',
  length: 1056,
  sha256: digest('a'),
  plaintextSha256: digest('b'),
  plaintextLength: 1024,
  omsSha256: digest('c'),
} as const;
const statement: ReleaseStatement = {
  release: 'meter-reader@1.1.0',
  releaseCounter: 2,
  rollbackFloor: 1,
  minAgent: '0.1.0',
  issuedAt: 1_000,
  targets: [target],
};
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
  statement,
  deviceId: 'd-1',
  epoch: 1,
  lastSequence: 6,
  model: 'meter-reader',
  rollbackFloor: 1,
  agentVersion: '0.1.0',
  now: 5_000,
};

describe('checkAssignment', () => {
  it('accepts the next one, and says which target', () => {
    expect(checkAssignment(context)).toEqual({ status: 'accepted', target });
  });

  it('accepts without a model line and without an agent version', () => {
    const { model: _, agentVersion: __, ...rest } = context;
    expect(checkAssignment(rest).status).toBe('accepted');
  });

  it('calls the same sequence unchanged, and never stops what runs by its expiry', () => {
    expect(checkAssignment({ ...context, lastSequence: 7 })).toEqual({ status: 'unchanged', target, expired: false });
    expect(checkAssignment({ ...context, lastSequence: 7, now: 10_000 })).toEqual({
      status: 'unchanged',
      target,
      expired: true,
    });
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
    ['statement-mismatch', { statement: { ...statement, release: 'meter-reader@1.2.0' } }],
    ['statement-mismatch', { statement: { ...statement, releaseCounter: 3 } }],
    ['statement-mismatch', { assignment: { ...assignment, variant: 'onnx-int8' } }],
    ['wrong-model', { model: 'face-finder' }],
    ['below-floor', { rollbackFloor: 3 }],
    ['unknown-target', { assignment: { ...assignment, targetPath: 'meter-reader/1.1.0/other' } }],
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
    expect(checkAssignment({ ...context, agentVersion, statement: { ...statement, minAgent } }).status).toBe(status);
  });
});

describe('signed documents', () => {
  const publisher = signerOf(generateSigningKey());
  const director = signerOf(generateSigningKey());

  it('come back as they were signed', () => {
    expect(verifyAssignment(signAssignment(assignment, [director]), [director.publicKeyPem])).toEqual(assignment);
    expect(verifyReleaseStatement(signReleaseStatement(statement, [publisher]), [publisher.publicKeyPem])).toEqual(
      statement,
    );
  });

  it('are not believed from the wrong role', () => {
    expect(() => verifyAssignment(signAssignment(assignment, [publisher]), [director.publicKeyPem])).toThrow(
      expect.objectContaining({ code: 'dsse-untrusted' }),
    );
    expect(() => verifyReleaseStatement(signReleaseStatement(statement, [director]), [publisher.publicKeyPem])).toThrow(
      expect.objectContaining({ code: 'dsse-untrusted' }),
    );
  });

  it('do not pass for one another, even under the same key', () => {
    expect(() => verifyAssignment(signReleaseStatement(statement, [director]), [director.publicKeyPem])).toThrow(
      expect.objectContaining({ code: 'dsse-wrong-type' }),
    );
  });

  it('keep to the publishers threshold', () => {
    const second = signerOf(generateSigningKey());
    const keys = [publisher.publicKeyPem, second.publicKeyPem];
    expect(() => verifyReleaseStatement(signReleaseStatement(statement, [publisher]), keys, 2)).toThrow(
      expect.objectContaining({ code: 'dsse-threshold' }),
    );
    expect(verifyReleaseStatement(signReleaseStatement(statement, [publisher, second]), keys, 2)).toEqual(statement);
  });

  it.each<[string, Partial<ReleaseStatement>]>([
    ['a floor above its own counter', { rollbackFloor: 3 }],
    ['no target', { targets: [] }],
    ['one path twice', { targets: [target, { ...target, variant: 'other' }] }],
    ['one variant twice', { targets: [target, { ...target, path: 'other' }] }],
    ['a path that climbs', { targets: [{ ...target, path: '../../etc/passwd' }] }],
    ['no release name', { release: 'meter-reader' }],
  ])('are not signed with %s', (_, change) => {
    expect(() => signReleaseStatement({ ...statement, ...change }, [publisher])).toThrow();
  });

  it('are not signed with a rate above 1', () => {
    const probation = { ...assignment.probation, maxErrorRate: 1.5 };
    expect(() => signAssignment({ ...assignment, probation }, [director])).toThrow();
  });
});
