import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Gate } from '../spec/gate-spec.ts';
import { EXECUTION_STATES, isEndedExecution } from '../states.ts';
import { evaluateGate } from './evaluate-gate.ts';
import { allEnded, type DeviceMeasurements, type GateResult, type WaveFacts } from './wave-facts.ts';

const device = (measured: Partial<DeviceMeasurements> = {}): DeviceMeasurements => ({
  frames: 100,
  lowConfidence: 0,
  latencyP95Ms: 20,
  fellBack: false,
  drifts: null,
  ...measured,
});
const facts = (
  counts: WaveFacts['counts'],
  { diverged = 0, devices = [] }: { diverged?: number; devices?: readonly DeviceMeasurements[] } = {},
): WaveFacts => ({ counts, diverged, devices, differences: { latencyP95: [], lowConfidenceRate: [] } });
const measured = (...devices: DeviceMeasurements[]) => facts({ SUCCEEDED: devices.length }, { devices });

const execution = (maxFailureRate: number, minimum = 1): Gate => ({ execution: { maxFailureRate, minimum } });
const success = (minSuccessRate: number, minimum = 1): Gate => ({ success: { minSuccessRate, minimum } });
const lowConfidence = (max: number, minimumFrames = 1, minimumDevices = 1): Gate => ({
  lowConfidenceRate: { max, minimumFrames, minimumDevices },
});
const latency = (maxMs: number, minimumDevices = 1): Gate => ({ latencyP95: { maxMs, minimumDevices } });
const fallback = (max: number): Gate => ({ acceleratorFallback: { max } });

const drift = (maxAlerts: number, minimum = 1): Gate => ({ drift: { maxAlerts, minimum } });

const evaluate = (gate: Gate, of: WaveFacts, isFinal: boolean): GateResult => {
  const result = evaluateGate(gate, of, isFinal, undefined);
  if (result === undefined) throw new Error('expected a limit to be judged on any wave');
  return result;
};
const verdict = (gate: Gate, of: WaveFacts, isFinal = false) => evaluate(gate, of, isFinal).verdict;

describe('execution gate', () => {
  it('counts every way to fail, and every way to succeed', () => {
    const all = facts({ FAILED: 1, REJECTED: 1, TIMED_OUT: 1, ROLLED_BACK: 1, SUCCEEDED: 3, ALREADY_INSTALLED: 1 });
    expect(evaluate(execution(0.5), all, false)).toEqual({
      gate: 'execution',
      verdict: 'pass',
      estimate: 0.5,
      bound: 0.5,
      evidence: 8,
      words: 'passed: 4 of 8 devices failed, at most 50 % allowed',
    });
    expect(verdict(execution(0.49), all)).toBe('fail');
  });

  it('does not take failures, which come first, for what the wave is like: who is still at it counts as not failed', () => {
    const early = facts({ FAILED: 7, SUCCEEDED: 13, NOTIFIED: 200, PROBATION: 180 });
    expect(evaluate(execution(0.05), early, false)).toMatchObject({
      verdict: 'pass',
      estimate: 0.0175,
      evidence: 20,
      words: 'passed: 7 of 400 devices failed (380 are still at it), at most 5 % allowed',
    });
    expect(verdict(execution(0.05), facts({ FAILED: 21, PROBATION: 379 }))).toBe('fail');
  });

  it('is about who was told: what is planned, waits, was canceled or removed does not thin a failure', () => {
    const some = facts({ FAILED: 1, SUCCEEDED: 1, QUEUED: 50, DOWNLOADED: 20, CANCELED: 30, REMOVED: 9 });
    expect(evaluate(execution(0.4), some, false)).toMatchObject({ verdict: 'fail', estimate: 0.5, evidence: 2 });
  });

  it('lets exactly the limit pass', () => {
    expect(verdict(execution(0.05), facts({ FAILED: 1, SUCCEEDED: 19 }))).toBe('pass');
    expect(verdict(execution(0.05), facts({ FAILED: 2, SUCCEEDED: 37 }))).toBe('fail');
    expect(verdict(execution(0), facts({ SUCCEEDED: 19 }))).toBe('pass');
    expect(verdict(execution(0), facts({ FAILED: 1, SUCCEEDED: 999 }))).toBe('fail');
  });

  it('says nothing under its minimum, not even when all failed', () => {
    expect(evaluate(execution(0.05, 5), facts({ FAILED: 4 }), false)).toMatchObject({
      verdict: 'not-enough',
      estimate: 1,
      words: 'cannot tell yet: 4 of 4 devices failed, at most 5 % allowed; 5 ended executions are needed',
    });
    expect(verdict(execution(0.05, 5), facts({ FAILED: 5 }))).toBe('fail');
  });

  it('judges what there is once no more can come, and says that it is little', () => {
    expect(evaluate(execution(0.05, 5), facts({ SUCCEEDED: 2 }), true)).toMatchObject({
      verdict: 'pass',
      words: expect.stringContaining('fewer than the 5 ended executions asked for, and no more to come'),
    });
    expect(verdict(execution(0.05, 5), facts({ FAILED: 1, SUCCEEDED: 1 }), true)).toBe('fail');
  });

  it('cannot tell from nothing, however final', () => {
    expect(evaluate(execution(0.05), facts({ CANCELED: 3 }), true)).toMatchObject({
      verdict: 'not-enough',
      estimate: null,
      evidence: 0,
    });
  });

  it('counts a device that succeeded and then ran something else as failed, once', () => {
    const result = evaluate(execution(0.1), facts({ SUCCEEDED: 9, FAILED: 1 }, { diverged: 1 }), false);
    expect(result).toMatchObject({ verdict: 'fail', estimate: 0.2, evidence: 10 });
    expect(verdict(execution(1), facts({ SUCCEEDED: 1 }, { diverged: 1 }))).toBe('pass');
  });
});

describe('success gate', () => {
  it('passes from its rate on', () => {
    expect(verdict(success(0.95), facts({ SUCCEEDED: 19, FAILED: 1 }))).toBe('pass');
    expect(verdict(success(0.95), facts({ SUCCEEDED: 18, FAILED: 1 }))).toBe('fail');
    expect(verdict(success(1), facts({ SUCCEEDED: 8, ALREADY_INSTALLED: 2 }))).toBe('pass');
  });

  it('fails only when it cannot be reached any more by those that are at it', () => {
    expect(verdict(success(0.95), facts({ FAILED: 5, PROBATION: 95 }))).toBe('pass');
    expect(evaluate(success(0.95), facts({ FAILED: 6, SUCCEEDED: 10, PROBATION: 84 }), false)).toMatchObject({
      verdict: 'fail',
      estimate: 0.94,
      words: 'stopped: 10 of 100 devices succeeded (84 are still at it), at least 95 % wanted',
    });
  });

  it('does not count a diverged device as a success', () => {
    expect(evaluate(success(0.95), facts({ SUCCEEDED: 10 }, { diverged: 1 }), false)).toMatchObject({
      verdict: 'fail',
      estimate: 0.9,
      words: 'stopped: 9 of 10 devices succeeded, at least 95 % wanted',
    });
  });

  it('says nothing under its minimum', () => {
    expect(verdict(success(0.95, 3), facts({ FAILED: 2 }))).toBe('not-enough');
    expect(verdict(success(0.95, 3), facts({ FAILED: 2 }), true)).toBe('fail');
    expect(verdict(success(0.95, 3), facts({ SUCCEEDED: 3 }))).toBe('pass');
    expect(verdict(success(0), facts({ QUEUED: 9 }), true)).toBe('not-enough');
  });
});

describe('low-confidence gate', () => {
  it('is a rate of frames, not a mean of devices', () => {
    const uneven = measured(device({ frames: 10, lowConfidence: 10 }), device({ frames: 990, lowConfidence: 0 }));
    expect(evaluate(lowConfidence(0.01), uneven, false)).toMatchObject({
      verdict: 'pass',
      estimate: 0.01,
      evidence: 1_000,
    });
    expect(verdict(lowConfidence(0.009), uneven)).toBe('fail');
  });

  it.each<[string, Gate, string]>([
    ['too few frames', lowConfidence(0.1, 201, 2), 'not-enough'],
    ['too few devices', lowConfidence(0.1, 200, 3), 'not-enough'],
    ['enough of both', lowConfidence(0.1, 200, 2), 'fail'],
  ])('with %s', (_, gate, expected) => {
    const unsure = measured(device({ lowConfidence: 90 }), device({ lowConfidence: 90 }), device({ frames: 0 }));
    expect(verdict(gate, unsure)).toBe(expected);
    expect(verdict(gate, unsure, true)).toBe('fail');
  });

  it('cannot tell when no frame was ever seen', () => {
    const silent = measured(device({ frames: 0, lowConfidence: 0, latencyP95Ms: null }));
    expect(evaluate(lowConfidence(0.1), silent, true)).toMatchObject({ verdict: 'not-enough', estimate: null });
    expect(verdict(lowConfidence(0.1), facts({ SUCCEEDED: 3 }), true)).toBe('not-enough');
  });
});

describe('latency gate', () => {
  it('fails for a single device over the limit, and names the slowest', () => {
    const result = evaluate(latency(50), measured(device(), device({ latencyP95Ms: 50.04 })), false);
    expect(result).toMatchObject({ verdict: 'fail', estimate: 50.04, evidence: 2 });
    expect(result.words).toBe('stopped: 1 of 2 devices are over 50 ms at p95 (the slowest 50.0 ms)');
  });

  it('lets exactly the limit pass', () => {
    expect(verdict(latency(50), measured(device({ latencyP95Ms: 50 })))).toBe('pass');
  });

  it('leaves out devices without a time', () => {
    const some = measured(device({ latencyP95Ms: null }), device({ latencyP95Ms: 99 }));
    expect(verdict(latency(50, 2), some)).toBe('not-enough');
    expect(verdict(latency(50, 2), some, true)).toBe('fail');
    expect(verdict(latency(50), measured(device({ latencyP95Ms: null })), true)).toBe('not-enough');
  });

  it('takes a wave of many thousands of devices', () => {
    const many = Array.from({ length: 250_000 }, (_, index) => device({ latencyP95Ms: index === 77 ? 49 : 20 }));
    expect(evaluate(latency(50), facts({}, { devices: many }), false)).toMatchObject({
      verdict: 'pass',
      estimate: 49,
      evidence: 250_000,
    });
  });
});

describe('accelerator gate', () => {
  it('counts devices that run on less than was asked for', () => {
    const one = measured(device({ fellBack: true }), device(), device());
    expect(evaluate(fallback(0), one, false)).toMatchObject({
      verdict: 'fail',
      estimate: 1,
      bound: 0,
      evidence: 3,
    });
    expect(verdict(fallback(1), one)).toBe('pass');
  });

  it('cannot tell before a device has measured anything', () => {
    expect(verdict(fallback(0), facts({ SUCCEEDED: 2 }))).toBe('not-enough');
    expect(verdict(fallback(0), facts({ SUCCEEDED: 2 }), true)).toBe('not-enough');
  });
});

describe('drift gate', () => {
  it('is about the devices that are watched', () => {
    const some = measured(device({ drifts: true }), device({ drifts: false }), device(), device());
    expect(evaluate(drift(0.4), some, false)).toEqual({
      gate: 'drift',
      verdict: 'fail',
      estimate: 0.5,
      bound: 0.4,
      evidence: 2,
      words: 'stopped: 1 of 2 watched devices drift, at most 40 % allowed',
    });
    expect(verdict(drift(0.5), some)).toBe('pass');
    expect(verdict(drift(0.5, 3), some)).toBe('not-enough');
  });

  it('cannot tell when nobody watches, and does not pass', () => {
    expect(verdict(drift(1), measured(device(), device()), true)).toBe('not-enough');
  });
});

describe('any gate', () => {
  const rate = fc.double({ min: 0, max: 1, noNaN: true });
  const minimum = fc.integer({ min: 1, max: 20 });
  const anyGate = fc.oneof(
    fc.tuple(rate, minimum).map(([max, least]) => execution(max, least)),
    fc.tuple(rate, minimum).map(([min, least]) => success(min, least)),
    fc.tuple(rate, minimum, minimum).map(([max, frames, devices]) => lowConfidence(max, frames * 50, devices)),
    fc.tuple(fc.integer({ min: 1, max: 60 }), minimum).map(([maxMs, least]) => latency(maxMs, least)),
    fc.nat({ max: 3 }).map(fallback),
    fc.tuple(rate, minimum).map(([max, least]) => drift(max, least)),
  );
  const anyDevice = fc.record({
    frames: fc.nat({ max: 500 }),
    lowConfidence: fc.nat({ max: 500 }),
    latencyP95Ms: fc.option(fc.integer({ min: 1, max: 60 })),
    fellBack: fc.boolean(),
    drifts: fc.option(fc.boolean()),
  });
  const anyFacts = fc.record({
    counts: fc.dictionary(fc.constantFrom(...EXECUTION_STATES), fc.nat({ max: 20 })),
    diverged: fc.constant(0),
    devices: fc.array(anyDevice, { maxLength: 12 }),
    differences: fc.constant({ latencyP95: [], lowConfidenceRate: [] }),
  });

  it('tells its verdict in its first words, and never judges nothing', () => {
    const opening = { pass: 'passed: ', fail: 'stopped: ', 'not-enough': 'cannot tell yet: ' };
    fc.assert(
      fc.property(anyGate, anyFacts, fc.boolean(), (gate, of, isFinal) => {
        const result = evaluate(gate, of, isFinal);
        expect(result.words.startsWith(opening[result.verdict])).toBe(true);
        if (result.evidence === 0) expect(result.verdict).toBe('not-enough');
        else if (isFinal) expect(result.verdict).not.toBe('not-enough');
      }),
    );
  });

  it('keeps its verdict when nothing more can come', () => {
    fc.assert(
      fc.property(anyGate, anyFacts, (gate, of) => {
        const early = verdict(gate, of);
        if (early !== 'not-enough') expect(verdict(gate, of, true)).toBe(early);
      }),
    );
  });
});

describe('allEnded', () => {
  it.each(EXECUTION_STATES)('with everything else ended, hangs on %s alone', (state) => {
    expect(allEnded(facts({ SUCCEEDED: 3, [state]: (state === 'SUCCEEDED' ? 3 : 0) + 1 }), 4)).toBe(
      isEndedExecution(state),
    );
  });

  it('is so for a wave without devices', () => {
    expect(allEnded(facts({}), 0)).toBe(true);
  });
});
