import { expect } from 'vitest';
import { CommandRefusedError, command, type RolloutCommand } from '../commands.ts';
import { decide } from '../decide.ts';
import type { Decision, Scope } from '../decision.ts';
import { type RateState, refill } from '../rate.ts';
import { retryAfter } from '../retry.ts';
import { parseRolloutSpec, type RolloutSpec } from '../spec/rollout-spec.ts';
import {
  applyExecutionReport,
  type ExecutionState,
  isEndedExecution,
  type RolloutState,
  type WaveState,
} from '../states.ts';
import { type PlannedWave, planControl, planWaves, type Strata } from '../wave-plan.ts';

/** One device's part, as the control plane keeps it. */
export interface WalkedExecution {
  readonly device: number;
  readonly wave: number;
  readonly kind: 'install' | 'rollback';
  /** Of what it has begun to do; null while it waits to be told. */
  deadline: number | null;
  /** When it may be told. */
  notBefore: number;
  failedTries: number;
  state: ExecutionState;
  diverged: boolean;
}

const ROLLOUT_MOVES: Partial<Record<RolloutState, readonly RolloutState[]>> = {
  WAITING_FOR_APPROVAL: ['READY', 'APPROVAL_DENIED', 'STOPPING'],
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
  // Somebody came for it after all.
  SKIPPED: ['RUNNING'],
};

/** What most walks ask for: two devices, then half, then all; a wave fails when more than one in five of its devices does. */
export const THREE_WAVES = {
  strategy: {
    waves: [
      { size: 2, soak: 30 },
      { size: '50%', soak: 30 },
      { size: '100%', soak: 30 },
    ],
    deadline: 600,
  },
  gates: [{ execution: { maxFailureRate: '20%', minimum: 2 } }],
};

/** A rollout and its devices in memory: carries decisions out as the control plane does, and checks each move. */
export class WalkedFleet {
  readonly executions: WalkedExecution[] = [];
  /** When devices were told to install, in ms. */
  readonly told: number[] = [];
  readonly started: number[] = [];
  state: RolloutState = 'READY';
  now = 0;
  private readonly spec: RolloutSpec;
  private readonly waves: {
    state: WaveState;
    startedAt: number | null;
    soakUntil: number | null;
    plan: PlannedWave;
  }[];
  private stateSince = 0;
  private rate: RateState | null = null;
  private looksForNewcomers = false;
  private overtakenBy: string | null = null;
  private readonly control: Strata;
  private readonly differences = new Map<number, number[]>();

  constructor(
    asked: Record<string, unknown>,
    private devices: number,
  ) {
    this.spec = parseRolloutSpec({ release: 'meter-reader@1.4.0', ...asked });
    this.state = this.spec.approval === 'required' ? 'WAITING_FOR_APPROVAL' : 'READY';
    this.control = planControl(this.spec.strategy.control, { rpi5: devices });
    const plan = planWaves(this.spec.strategy.waves, { rpi5: devices }, this.control);
    this.waves = plan.map((one) => ({ state: 'SCHEDULED', startedAt: null, soakUntil: null, plan: one }));
  }

  /** Devices that fit. */
  get size(): number {
    return this.devices;
  }

  get waveStates(): WaveState[] {
    return this.waves.map(({ state }) => state);
  }

  open(kind: WalkedExecution['kind']): WalkedExecution[] {
    return this.executions.filter((one) => one.kind === kind && !isEndedExecution(one.state));
  }

  snapshot() {
    const waves = this.waves.map(({ state, startedAt, soakUntil, plan }, index) => {
      const own = this.executions.filter((one) => one.kind === 'install' && one.wave === index);
      const diverged = own.filter((one) => one.diverged).length;
      const goesOn = this.spec.newcomers === 'continue' && index === this.waves.length - 1;
      const counts: Partial<Record<ExecutionState, number>> = {};
      for (const one of own) counts[one.state] = (counts[one.state] ?? 0) + 1;
      const matters = state === 'RUNNING' || state === 'SOAKING' || (state === 'PASSED' && (diverged > 0 || goesOn));
      const planned = state === 'SCHEDULED' ? plan.size : own.length;
      const facts = {
        counts,
        diverged,
        devices: [],
        differences: { latencyP95: this.differences.get(index) ?? [], lowConfidenceRate: [] },
      };
      return { index, state, planned, strata: plan.strata, startedAt, soakUntil, facts: matters ? facts : null };
    });
    const open = { install: this.open('install').length, rollback: this.open('rollback').length };
    const { state, stateSince, spec, control, looksForNewcomers, overtakenBy } = this;
    return { state, stateSince, spec, control, waves, open, looksForNewcomers, overtakenBy };
  }

  /** One look of the conductor, as often as there is something to do at once. */
  tick(seconds: number): void {
    this.now += seconds * 1_000;
    this.looksForNewcomers = true;
    for (const one of this.executions) {
      if (!isEndedExecution(one.state) && one.deadline !== null && one.deadline < this.now) one.state = 'TIMED_OUT';
    }
    for (let step = 0; step < 20; step += 1) {
      const decisions = decide(this.snapshot(), this.now);
      for (const decision of decisions) this.apply(decision);
      this.looksForNewcomers = false;
      if (decisions.some(({ kind }) => kind !== 'record-gates')) continue;
      this.tell();
      return;
    }
    throw new Error(`expected to come to rest, still moving in ${this.state}`);
  }

  ask(asked: RolloutCommand): boolean {
    try {
      for (const decision of command(this.snapshot(), asked, 'ana')) this.apply(decision);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(CommandRefusedError);
      return false;
    }
  }

  /** A device's word; it may come again, and late. */
  report(one: WalkedExecution, state: ExecutionState): void {
    const outcome = applyExecutionReport(one.state, state, {
      running: 'digest',
      expected: 'digest',
      onlyFetches: false,
    });
    if ('ignored' in outcome || one.deadline === null) return;
    const isUnderWay = this.state === 'RUNNING' || this.state === 'PAUSED';
    const triesAgain = one.kind === 'install' && isUnderWay && one.failedTries < this.spec.strategy.retries;
    if (outcome.moved !== 'FAILED' || !triesAgain) {
      one.state = outcome.moved;
      return;
    }
    one.failedTries += 1;
    one.state = 'QUEUED';
    one.deadline = null;
    one.notBefore = this.now + retryAfter(one.failedTries, 0) * 1_000;
  }

  /** A device begins to fit. */
  join(): void {
    this.devices += 1;
  }

  /** Another rollout that outranks this one takes a device of it. */
  supersede(one: WalkedExecution): void {
    if (!isEndedExecution(one.state)) one.state = 'CANCELED';
  }

  /** Another rollout that takes newcomers without end has passed its waves. */
  overtake(): void {
    this.overtakenBy = 'another rollout';
  }

  /** A device of a wave was set beside one that is held back. */
  compare(wave: number, difference: number): void {
    this.differences.set(wave, [...(this.differences.get(wave) ?? []), difference]);
  }

  /** Tells devices as the rate allows; those that go back at once. */
  private tell(): void {
    const waiting = (kind: WalkedExecution['kind']) =>
      this.open(kind).filter(({ state, notBefore }) => state === 'QUEUED' && notBefore <= this.now);
    for (const one of waiting('rollback')) this.notify(one);
    if (this.state !== 'RUNNING') return;
    const { rate } = this.spec.strategy;
    const succeeded = this.executions.filter(({ kind, state }) => kind === 'install' && state === 'SUCCEEDED').length;
    const refilled = rate === undefined ? null : refill(rate, this.rate, succeeded, this.now);
    const due = waiting('install').slice(0, refilled === null ? undefined : Math.floor(refilled.tokens));
    for (const one of due) this.notify(one);
    this.told.push(...due.map(() => this.now));
    this.rate = refilled === null ? null : { ...refilled, tokens: refilled.tokens - due.length };
  }

  private notify(one: WalkedExecution): void {
    one.state = 'NOTIFIED';
    one.deadline = this.now + this.spec.strategy.deadline * 1_000;
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
        if (decision.wave === this.waves.length - 1) this.takeRest(decision.wave);
        return;
      }
      case 'join-wave':
        this.takeRest(decision.wave);
        return;
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

  private takeRest(wave: number): void {
    if (this.spec.newcomers === 'ignore') return;
    const taken = new Set(this.executions.map(({ device }) => device));
    for (let device = 0; device < this.devices; device += 1) {
      if (!taken.has(device)) this.add({ device, wave, kind: 'install' });
    }
  }

  private add(one: Pick<WalkedExecution, 'device' | 'wave' | 'kind'>): void {
    const waiting = { state: 'QUEUED', deadline: null, notBefore: 0, failedTries: 0 } as const;
    this.executions.push({ ...one, ...waiting, diverged: false });
  }

  private moveWave(index: number, to: WaveState) {
    const wave = this.waves[index];
    if (wave === undefined) throw new Error(`there is no wave ${index}`);
    expect(WAVE_MOVES[wave.state], `wave ${index} from ${wave.state}`).toContain(to);
    wave.state = to;
    if (to === 'RUNNING') wave.startedAt ??= this.now;
    return wave;
  }
}

const inScope = (scope: Scope, { wave }: { wave: number }): boolean => scope === 'all' || scope.wave === wave;
