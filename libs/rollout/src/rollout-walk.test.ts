import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandRefusedError, command, type RolloutCommand } from './commands.ts';
import { decide } from './decide.ts';
import type { Decision, Scope } from './decision.ts';
import { parseRolloutSpec, type RolloutSpec } from './spec/rollout-spec.ts';
import { type ExecutionState, isEndedExecution, isEndedRollout, type RolloutState, type WaveState } from './states.ts';
import { type PlannedWave, planWaves } from './wave-plan.ts';

interface Execution {
  readonly device: number;
  readonly wave: number;
  readonly kind: 'install' | 'rollback';
  readonly deadline: number;
  state: ExecutionState;
  diverged: boolean;
}

const ROLLOUT_MOVES: Partial<Record<RolloutState, readonly RolloutState[]>> = {
  READY: ['RUNNING', 'STOPPING'],
  RUNNING: ['RUNNING', 'PAUSED', 'FINISHED', 'STOPPING', 'ROLLING_BACK'],
  PAUSED: ['RUNNING', 'PAUSED', 'STOPPING', 'ROLLING_BACK'],
  STOPPING: ['STOPPED', 'ROLLING_BACK'],
  STOPPED: ['ROLLING_BACK'],
  FINISHED: ['ROLLING_BACK'],
  ROLLING_BACK: ['ROLLED_BACK'],
};
const WAVE_MOVES: Partial<Record<WaveState, readonly WaveState[]>> = {
  SCHEDULED: ['RUNNING', 'SKIPPED'],
  RUNNING: ['SOAKING', 'FAILED', 'SKIPPED'],
  SOAKING: ['PASSED', 'FAILED'],
  PASSED: ['FAILED'],
  FAILED: ['PASSED'],
};

/** A rollout and its devices in memory: carries decisions out as the control plane does, and checks each move. */
class Fleet {
  readonly executions: Execution[] = [];
  readonly started: number[] = [];
  state: RolloutState = 'READY';
  now = 0;
  private readonly spec: RolloutSpec;
  private readonly waves: { state: WaveState; soakUntil: number | null; plan: PlannedWave }[];
  private stateSince = 0;

  constructor(asked: Record<string, unknown>, devices: number) {
    this.spec = parseRolloutSpec({ release: 'meter-reader@1.4.0', ...asked });
    const plan = planWaves(this.spec.strategy.waves, { rpi5: devices });
    this.waves = plan.map((one) => ({ state: 'SCHEDULED', soakUntil: null, plan: one }));
  }

  get waveStates(): WaveState[] {
    return this.waves.map(({ state }) => state);
  }

  open(kind: Execution['kind']): Execution[] {
    return this.executions.filter((one) => one.kind === kind && !isEndedExecution(one.state));
  }

  snapshot() {
    const waves = this.waves.map(({ state, soakUntil, plan }, index) => {
      const own = this.executions.filter((one) => one.kind === 'install' && one.wave === index);
      const diverged = own.filter((one) => one.diverged).length;
      const counts: Partial<Record<ExecutionState, number>> = {};
      for (const one of own) counts[one.state] = (counts[one.state] ?? 0) + 1;
      const matters = state === 'RUNNING' || state === 'SOAKING' || (state === 'PASSED' && diverged > 0);
      const planned = state === 'SCHEDULED' ? plan.size : own.length;
      const facts = { counts, diverged, devices: [], differences: { latencyP95: [], lowConfidenceRate: [] } };
      return { index, state, planned, strata: plan.strata, soakUntil, facts: matters ? facts : null };
    });
    const open = { install: this.open('install').length, rollback: this.open('rollback').length };
    return { state: this.state, stateSince: this.stateSince, spec: this.spec, control: {}, waves, open };
  }

  /** One look of the conductor, as often as there is something to do at once. */
  tick(seconds: number): void {
    this.now += seconds * 1_000;
    for (const one of this.executions) {
      if (!isEndedExecution(one.state) && one.deadline < this.now) one.state = 'TIMED_OUT';
    }
    for (let step = 0; step < 20; step += 1) {
      const decisions = decide(this.snapshot(), this.now);
      for (const decision of decisions) this.apply(decision);
      if (decisions.every(({ kind }) => kind === 'record-gates')) return;
    }
    throw new Error(`expected to come to rest, still moving in ${this.state}`);
  }

  ask(asked: RolloutCommand): boolean {
    try {
      for (const decision of command(this.snapshot(), asked)) this.apply(decision);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(CommandRefusedError);
      return false;
    }
  }

  private apply(decision: Decision): void {
    switch (decision.kind) {
      case 'record-gates':
        return;
      case 'start-wave': {
        const { plan } = this.moveWave(decision.wave, 'RUNNING');
        this.started.push(decision.wave);
        for (let device = plan.cumulative - plan.size; device < plan.cumulative; device += 1) {
          this.add({ device, wave: decision.wave, kind: 'install' });
        }
        return;
      }
      case 'set-wave':
        this.moveWave(decision.wave, decision.state).soakUntil = decision.soakUntil;
        return;
      case 'cancel':
        for (const one of this.open('install')) {
          const unstarted = one.state === 'QUEUED' || one.state === 'NOTIFIED';
          if (inScope(decision.scope, one) && (decision.which === 'open' || unstarted)) one.state = 'CANCELED';
        }
        return;
      case 'roll-back':
        for (const { kind, state, device, wave } of [...this.executions]) {
          if (kind === 'install' && state === 'SUCCEEDED' && inScope(decision.scope, { wave })) {
            this.add({ device, wave, kind: 'rollback' });
          }
        }
        return;
      case 'set-rollout':
        expect(ROLLOUT_MOVES[this.state], `from ${this.state}`).toContain(decision.state);
        this.state = decision.state;
        this.stateSince = this.now;
    }
  }

  private add(one: Pick<Execution, 'device' | 'wave' | 'kind'>): void {
    const deadline = this.now + this.spec.strategy.deadline * 1_000;
    this.executions.push({ ...one, state: 'QUEUED', diverged: false, deadline });
  }

  private moveWave(index: number, to: WaveState) {
    const wave = this.waves[index];
    if (wave === undefined) throw new Error(`there is no wave ${index}`);
    expect(WAVE_MOVES[wave.state], `wave ${index} from ${wave.state}`).toContain(to);
    wave.state = to;
    return wave;
  }
}

const inScope = (scope: Scope, { wave }: { wave: number }): boolean => scope === 'all' || scope.wave === wave;

const strategy = {
  waves: [
    { size: 2, soak: 30 },
    { size: '50%', soak: 30 },
    { size: '100%', soak: 30 },
  ],
  deadline: 600,
};
const gates = [{ execution: { maxFailureRate: '20%', minimum: 2 } }];

const finish = (fleet: Fleet, kind: Execution['kind'], state: ExecutionState) => {
  for (const one of fleet.open(kind)) one.state = state;
};

describe('a rollout from its start to its end', () => {
  it('goes wave by wave through soaks and finishes', () => {
    const fleet = new Fleet({ strategy, gates }, 10);
    const seen: string[] = [];
    for (let look = 0; look < 20 && fleet.state !== 'FINISHED'; look += 1) {
      fleet.tick(15);
      seen.push(fleet.waveStates.join(' '));
      finish(fleet, 'install', 'SUCCEEDED');
    }
    expect(fleet.state).toBe('FINISHED');
    expect(fleet.started).toEqual([0, 1, 2]);
    expect(new Set(fleet.executions.map(({ device }) => device)).size).toBe(10);
    expect([...new Set(seen)]).toEqual([
      'RUNNING SCHEDULED SCHEDULED',
      'SOAKING SCHEDULED SCHEDULED',
      'PASSED RUNNING SCHEDULED',
      'PASSED SOAKING SCHEDULED',
      'PASSED PASSED RUNNING',
      'PASSED PASSED SOAKING',
      'PASSED PASSED PASSED',
    ]);
  });

  it('stops at a bad second wave and brings back whoever has the release, of the first wave too', () => {
    const fleet = new Fleet({ strategy, gates }, 10);
    fleet.tick(0);
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.tick(1);
    fleet.tick(30);
    const [good, ...rest] = fleet.open('install');
    if (good !== undefined) good.state = 'SUCCEEDED';
    for (const one of rest) one.state = 'ROLLED_BACK';
    fleet.tick(1);
    expect(fleet.state).toBe('ROLLING_BACK');
    expect(fleet.open('rollback').map(({ device }) => device)).toEqual([0, 1, 2]);
    fleet.tick(100);
    expect(fleet.state).toBe('ROLLING_BACK');
    finish(fleet, 'rollback', 'SUCCEEDED');
    fleet.tick(1);
    expect([fleet.state, ...fleet.waveStates]).toEqual(['ROLLED_BACK', 'PASSED', 'FAILED', 'SCHEDULED']);
  });

  it('rolls back only the wave that failed when asked so', () => {
    const fleet = new Fleet({ strategy, gates, onFailure: 'rollback-wave' }, 10);
    fleet.tick(0);
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.tick(1);
    fleet.tick(30);
    const [good] = fleet.open('install');
    if (good !== undefined) good.state = 'SUCCEEDED';
    for (const one of fleet.open('install')) one.state = 'FAILED';
    fleet.tick(1);
    expect(fleet.open('rollback').map(({ wave }) => wave)).toEqual([1]);
  });

  it('ends with devices that never answer: the deadline ends their executions, and the rollback too', () => {
    const fleet = new Fleet({ strategy, gates }, 10);
    fleet.tick(0);
    const [awake] = fleet.open('install');
    if (awake !== undefined) awake.state = 'SUCCEEDED';
    fleet.tick(600);
    expect(fleet.state).toBe('RUNNING');
    fleet.tick(1);
    expect(fleet.state).toBe('ROLLING_BACK');
    expect(fleet.open('rollback')).toHaveLength(1);
    fleet.tick(601);
    expect(fleet.state).toBe('ROLLED_BACK');
  });

  it('pauses after a failure, and goes on when a person promotes it', () => {
    const fleet = new Fleet({ strategy, gates, onFailure: 'pause' }, 10);
    fleet.tick(0);
    finish(fleet, 'install', 'FAILED');
    fleet.tick(1);
    expect([fleet.state, fleet.waveStates[0]]).toEqual(['PAUSED', 'FAILED']);
    fleet.tick(10_000);
    expect(fleet.started).toEqual([0]);
    expect(fleet.ask('resume')).toBe(false);
    expect(fleet.ask('promote')).toBe(true);
    fleet.tick(1);
    expect([fleet.state, ...fleet.waveStates]).toEqual(['RUNNING', 'PASSED', 'RUNNING', 'SCHEDULED']);
  });

  it('lets a soak end early by promote', () => {
    const fleet = new Fleet({ strategy, gates }, 10);
    fleet.tick(0);
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.tick(1);
    expect(fleet.ask('promote')).toBe(true);
    fleet.tick(0);
    expect(fleet.started).toEqual([0, 1]);
  });

  it('aborts: what has not begun is canceled at once, what has begun after the grace', () => {
    const fleet = new Fleet({ strategy, gates }, 10);
    fleet.tick(0);
    const [begun] = fleet.open('install');
    if (begun !== undefined) begun.state = 'DOWNLOADING';
    expect(fleet.ask('abort')).toBe(true);
    expect(fleet.executions.map(({ state }) => state)).toEqual(['DOWNLOADING', 'CANCELED']);
    fleet.tick(29);
    expect([fleet.state, begun?.state]).toEqual(['STOPPING', 'DOWNLOADING']);
    fleet.tick(1);
    expect([fleet.state, begun?.state]).toEqual(['STOPPED', 'CANCELED']);
  });

  it('is undone after it has finished', () => {
    const fleet = new Fleet({ strategy: { waves: [{ size: '100%', soak: 0 }] }, gates }, 3);
    fleet.tick(0);
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.tick(1);
    expect(fleet.state).toBe('FINISHED');
    expect(fleet.ask('undo')).toBe(true);
    expect(fleet.open('rollback')).toHaveLength(3);
    finish(fleet, 'rollback', 'SUCCEEDED');
    fleet.tick(1);
    expect(fleet.state).toBe('ROLLED_BACK');
    expect(fleet.ask('undo')).toBe(false);
  });

  it('finishes a fleet smaller than its first wave without an empty wave', () => {
    const fleet = new Fleet({ strategy, gates }, 1);
    fleet.tick(0);
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.tick(0);
    fleet.tick(30);
    expect([fleet.state, ...fleet.waveStates]).toEqual(['FINISHED', 'PASSED', 'SKIPPED', 'SKIPPED']);
  });
});

type Happening =
  | { report: ExecutionState; which: number }
  | { wait: number }
  | { ask: RolloutCommand }
  | { diverge: number };

describe('any rollout', () => {
  const outcome = fc.constantFrom<ExecutionState>(
    'SUCCEEDED',
    'SUCCEEDED',
    'SUCCEEDED',
    'FAILED',
    'PROBATION',
    'REJECTED',
  );
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ report: outcome, which: fc.nat() }) },
    { weight: 3, arbitrary: fc.record({ wait: fc.integer({ min: 0, max: 60 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({ ask: fc.constantFrom<RolloutCommand>('pause', 'resume', 'promote', 'abort', 'undo') }),
    },
    { weight: 1, arbitrary: fc.record({ diverge: fc.nat() }) },
  );
  const anyRollout = fc.record({
    devices: fc.nat({ max: 12 }),
    onFailure: fc.constantFrom('pause', 'rollback-wave', 'rollback-all'),
    happenings: fc.array(happening, { maxLength: 60 }),
  });

  const live = (fleet: Fleet, happenings: readonly Happening[]) => {
    for (const one of happenings) {
      if ('report' in one) {
        const open = [...fleet.open('install'), ...fleet.open('rollback')];
        const execution = open[one.which % Math.max(1, open.length)];
        if (execution !== undefined) execution.state = one.report;
      } else if ('diverge' in one) {
        const succeeded = fleet.executions.filter(({ kind, state }) => kind === 'install' && state === 'SUCCEEDED');
        const execution = succeeded[one.diverge % Math.max(1, succeeded.length)];
        if (execution !== undefined && (fleet.state === 'RUNNING' || fleet.state === 'PAUSED'))
          execution.diverged = true;
      } else if ('ask' in one) fleet.ask(one.ask);
      fleet.tick('wait' in one ? one.wait : 0);
    }
  };

  it('moves only as its states allow, starts waves in order, and asks no device twice', () => {
    fc.assert(
      fc.property(anyRollout, ({ devices, onFailure, happenings }) => {
        const fleet = new Fleet({ strategy, gates, onFailure }, devices);
        live(fleet, happenings);
        expect(fleet.started).toEqual([...fleet.started].sort((a, b) => a - b));
        const installs = fleet.executions.filter(({ kind }) => kind === 'install').map(({ device }) => device);
        expect(new Set(installs).size).toBe(installs.length);
        const underWay = fleet.waveStates.filter((state) => state === 'RUNNING' || state === 'SOAKING');
        expect(underWay.length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 300 },
    );
  });

  it('comes to an end by time alone, or waits for a person, and then does nothing more', () => {
    fc.assert(
      fc.property(anyRollout, ({ devices, onFailure, happenings }) => {
        const fleet = new Fleet({ strategy, gates, onFailure }, devices);
        live(fleet, happenings);
        for (let look = 0; look < 20; look += 1) fleet.tick(700);
        expect(isEndedRollout(fleet.state) || fleet.state === 'PAUSED').toBe(true);
        const before = JSON.stringify([fleet.state, fleet.waveStates, fleet.executions]);
        fleet.tick(1_000_000);
        expect(JSON.stringify([fleet.state, fleet.waveStates, fleet.executions])).toBe(before);
      }),
      { numRuns: 300 },
    );
  });
});
