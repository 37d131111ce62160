import type { RolloutMode } from '@aviary/rollout';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AssignedRelease, Candidate, HeldRelease } from '../state/journal.ts';
import { assignedRelease, heldRelease } from '../testing/releases.ts';
import type { Hold } from './hold.ts';
import { plan, type Step } from './planner.ts';
import { notShadowed } from './shadow-judge.ts';

// What holds for every plan; planner.test.ts has the plans themselves.

const target = assignedRelease('c', 'e1', { releaseCounter: 3 });
const hold: Hold = { waitsFor: 'window', until: null, laterUntil: null, words: 'waits for its window' };
const nothingKnown = { unservable: [], stopped: [], rollbackFloor: 0, alone: null };

const NAMES = ['a', 'b', 'c', 'd'];
const anyRelease = fc
  .record({ name: fc.constantFrom(...NAMES), releaseCounter: fc.integer({ min: 1, max: 4 }) })
  .map(({ name, releaseCounter }) => heldRelease(name, { releaseCounter }));
const anyDigest = fc.constantFrom(...NAMES).map((name) => heldRelease(name).digest);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const anyCurrent = fc.record({
  committed: maybe(anyRelease),
  previous: maybe(anyRelease),
  serving: maybe(anyDigest),
  admitted: maybe(anyDigest),
});
const anyContext = fc.record({
  ended: fc.subarray(['e1', 'e2']),
  unservable: fc.subarray(NAMES.map((name) => heldRelease(name).digest)),
  stopped: fc.subarray(NAMES.map((name) => heldRelease(name).digest)),
  rollbackFloor: fc.integer({ min: 0, max: 5 }),
  hold: fc.constantFrom(null, hold),
  alone: maybe(anyDigest),
  unprepared: maybe(anyDigest),
});
const anyTarget = fc
  .record({
    release: fc
      .record({
        held: anyRelease,
        executionId: fc.constantFrom('e1', 'e2', 'e3'),
        mode: fc.constantFrom<RolloutMode>('forced', 'soft', 'download-only'),
        isShadowed: fc.boolean(),
      })
      .map(({ held, executionId, mode, isShadowed }): AssignedRelease => {
        const shadow = isShadowed ? { shadow: { seconds: 1, every: 1 } } : {};
        return { ...assignedRelease('x', executionId), ...held, terms: { mode, ...shadow } };
      }),
    stage: fc.constantFrom<Candidate['stage']>('assigned', 'fetched', 'probation'),
    shadow: fc.constantFrom(undefined, notShadowed('why not')),
  })
  .map(
    ({ shadow, ...wanted }): Pick<Candidate, 'release' | 'stage' | 'shadow'> =>
      shadow === undefined ? wanted : { ...wanted, shadow },
  );

describe('any plan', () => {
  it('never begins an execution again that has ended', () => {
    fc.assert(
      fc.property(anyCurrent, anyTarget, anyContext, (current, wanted, context) => {
        fc.pre(context.ended.includes(wanted.release.executionId));
        expect(plan(current, wanted, context)).toEqual(plan(current, null, context));
      }),
    );
  });

  it('never serves what was stopped, nor without proof anything but the committed release, or one before it at or above the floor', () => {
    fc.assert(
      fc.property(anyCurrent, maybe(anyTarget), anyContext, (current, wanted, context) => {
        for (const step of plan(current, wanted, context)) {
          if ('release' in step) expect(context.stopped).not.toContain(step.release.digest);
          if ('target' in step) expect(context.stopped).not.toContain(step.target.digest);
          if (step.kind !== 'serve' || step.release === current.committed) continue;
          expect(step.release).toBe(current.previous);
          expect(step.release.releaseCounter).toBeGreaterThanOrEqual(context.rollbackFloor);
          expect(context.unservable).not.toContain(step.release.digest);
        }
      }),
    );
  });

  it('switches to nothing that was not admitted here', () => {
    fc.assert(
      fc.property(anyCurrent, anyTarget, anyContext, (current, wanted, context) => {
        const steps = plan(current, wanted, context);
        const { digest } = wanted.release;
        const isKnown = current.admitted === digest || current.serving === digest;
        const kinds = steps.map(({ kind }) => kind);
        if (kinds.includes('switch') && !isKnown) expect(kinds).toContain('admit');
        // Nothing is admitted of which something has to be built, before that is.
        const builds = kinds.includes('admit') && context.unprepared === digest;
        expect(kinds.includes('prepare')).toBe(builds);
        expect(kinds).toEqual(
          [
            'serve',
            'stop',
            'fetch',
            'stage',
            'hold',
            'prepare',
            'admit',
            'shadow',
            'switch',
            'probation',
            'confirm',
          ].filter((kind) => kinds.includes(kind as Step['kind'])),
        );
      }),
    );
  });

  it('switches to nothing that is to run in shadow and has not, and lets nothing run in shadow that was not asked for', () => {
    fc.assert(
      fc.property(anyCurrent, anyTarget, anyContext, (current, wanted, context) => {
        const kinds = plan(current, wanted, context).map(({ kind }) => kind);
        const isDue = wanted.release.terms?.shadow !== undefined && wanted.shadow === undefined;
        const isServing = current.serving === wanted.release.digest;
        expect(kinds.includes('shadow')).toBe(kinds.includes('switch') && isDue && !isServing);
      }),
    );
  });
});

describe('any plan for what must not switch yet', () => {
  const begins: readonly Step['kind'][] = ['prepare', 'admit', 'shadow', 'switch', 'probation'];
  const digests = (steps: readonly Step[]) => steps.flatMap((step) => ('target' in step ? step.target.digest : []));

  it('switches nothing on a device that has something proven to serve, and says that it waits', () => {
    fc.assert(
      fc.property(anyCurrent, anyTarget, anyContext, (current, wanted, context) => {
        const steps = plan(current, wanted, { ...context, hold });
        const proven = plan({ ...current, serving: null }, null, context)[0];
        fc.pre(proven?.kind === 'serve' && !context.unservable.includes(proven.release.digest));
        fc.pre(current.serving !== wanted.release.digest);
        expect(steps.filter(({ kind }) => begins.includes(kind))).toEqual([]);
        const goesOn = plan(current, wanted, { ...context, hold: null }).some(({ kind }) => kind === 'switch');
        expect(steps.some(({ kind }) => kind === 'hold')).toBe(goesOn);
      }),
    );
  });

  it('does before it waits what it would do anyway, and nothing after it', () => {
    fc.assert(
      fc.property(anyCurrent, anyTarget, anyContext, (current, wanted, context) => {
        const steps = plan(current, wanted, { ...context, hold, alone: null });
        const free = plan(current, wanted, { ...context, hold: null, alone: null });
        const at = steps.findIndex(({ kind }) => kind === 'hold');
        if (at >= 0) expect(at).toBe(steps.length - 1);
        expect(at < 0 ? free : free.slice(0, at)).toEqual(at < 0 ? steps : steps.slice(0, at));
      }),
    );
  });

  it('never lets serve what is only to be fetched, unless that is proven', () => {
    fc.assert(
      fc.property(anyCurrent, anyTarget, anyContext, (current, wanted, context) => {
        fc.pre(wanted.release.terms?.mode === 'download-only');
        const steps = plan(current, wanted, context);
        expect(steps.filter(({ kind }) => [...begins, 'hold'].includes(kind))).toEqual([]);
        expect(digests(steps).every((digest) => digest === wanted.release.digest)).toBe(true);
      }),
    );
  });
});

/** A device that does what the plan says, step by step, and may lose power after any of them. */
class Device {
  committed: HeldRelease | null;
  candidate: Pick<Candidate, 'release' | 'stage'> | null;
  serving: string | null = null;
  admitted: string | null = null;
  prepared: string | null = null;
  readonly ended: string[] = [];
  readonly switched: string[] = [];
  hold: Hold | null = null;

  constructor(committed: HeldRelease | null, candidate: Pick<Candidate, 'release' | 'stage'> | null) {
    this.committed = committed;
    this.candidate = candidate;
  }

  next(): Step | undefined {
    const current = { committed: this.committed, previous: null, serving: this.serving, admitted: this.admitted };
    const wanted = this.candidate?.release.digest ?? null;
    const unprepared = wanted === this.prepared ? null : wanted;
    return plan(current, this.candidate, { ...nothingKnown, ended: this.ended, hold: this.hold, unprepared })[0];
  }

  do(step: Step): void {
    if (step.kind === 'serve') this.serving = step.release.digest;
    if (step.kind === 'stop') this.serving = null;
    if (step.kind === 'fetch') this.candidate = { release: step.target, stage: 'fetched' };
    if (step.kind === 'prepare') this.prepared = step.target.digest;
    if (step.kind === 'admit') {
      expect(this.prepared).toBe(step.target.digest);
      this.admitted = step.target.digest;
    }
    if (step.kind === 'switch') {
      this.candidate = { release: step.target, stage: 'probation' };
      this.serving = step.target.digest;
      this.admitted = null;
      this.switched.push(step.target.digest);
    }
    if (step.kind === 'probation' || step.kind === 'confirm') {
      this.committed = step.target;
      this.ended.push(step.target.executionId);
      this.candidate = null;
    }
  }

  losePower(): void {
    this.serving = null;
    this.admitted = null;
    // What was built is on the disk, and has to be opened again.
    this.prepared = null;
  }
}

describe('a device that follows the plan', () => {
  it('comes to the target from everywhere, whenever the power goes, and something proven serves from then on', () => {
    const stages = fc.constantFrom<Candidate['stage']>('assigned', 'fetched', 'probation');
    fc.assert(
      fc.property(maybe(anyRelease), stages, fc.uniqueArray(fc.nat(20)), (committed, stage, cuts) => {
        const device = new Device(committed, { release: target, stage });
        for (let i = 0; i < 40; i += 1) {
          const step = device.next();
          if (step === undefined) break;
          if (committed !== null && step.kind !== 'serve') expect(device.serving).not.toBeNull();
          device.do(step);
          if (cuts.includes(i)) device.losePower();
        }
        expect(device.next()).toBeUndefined();
        expect(device.committed?.digest).toBe(target.digest);
        expect(device.serving).toBe(target.digest);
        expect(device.ended).toEqual(['e1']);
      }),
    );
  });

  it('switches only while it may, whenever the power goes and whenever its window opens and closes', () => {
    const stages = fc.constantFrom<Candidate['stage']>('assigned', 'fetched');
    fc.assert(
      fc.property(
        anyRelease,
        stages,
        fc.uniqueArray(fc.nat(30)),
        fc.uniqueArray(fc.nat(30)),
        (proven, stage, cuts, open) => {
          fc.pre(proven.digest !== target.digest);
          const device = new Device(proven, { release: target, stage });
          for (let i = 0; i < 30; i += 1) {
            device.hold = open.includes(i) ? null : hold;
            const before = device.switched.length;
            const step = device.next();
            if (step !== undefined) device.do(step);
            if (device.switched.length > before) expect(device.hold).toBeNull();
            if (step !== undefined && step.kind !== 'serve') expect(device.serving).not.toBeNull();
            if (cuts.includes(i)) device.losePower();
          }
          device.hold = null;
          for (let i = 0; i < 10; i += 1) {
            const step = device.next();
            if (step !== undefined) device.do(step);
          }
          expect(device.committed?.digest).toBe(target.digest);
        },
      ),
    );
  });
});
