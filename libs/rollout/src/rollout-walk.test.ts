import { describe, expect, it } from 'vitest';
import type { ExecutionState } from './states.ts';
import { THREE_WAVES, type WalkedExecution, WalkedFleet } from './testing/walked-fleet.ts';

const ONE_WAVE = { ...THREE_WAVES, strategy: { waves: [{ size: '100%', soak: 0 }] } };

const finish = (fleet: WalkedFleet, kind: WalkedExecution['kind'], state: ExecutionState) => {
  for (const one of fleet.open(kind)) one.state = state;
};

describe('a rollout from its start to its end', () => {
  it('goes wave by wave through soaks and finishes', () => {
    const fleet = new WalkedFleet(THREE_WAVES, 10);
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
    const fleet = new WalkedFleet(THREE_WAVES, 10);
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
    const fleet = new WalkedFleet({ ...THREE_WAVES, onFailure: 'rollback-wave' }, 10);
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
    const fleet = new WalkedFleet(THREE_WAVES, 10);
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
    const fleet = new WalkedFleet({ ...THREE_WAVES, onFailure: 'pause' }, 10);
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
    const fleet = new WalkedFleet(THREE_WAVES, 10);
    fleet.tick(0);
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.tick(1);
    expect(fleet.ask('promote')).toBe(true);
    fleet.tick(0);
    expect(fleet.started).toEqual([0, 1]);
  });

  it('aborts: what has not begun is canceled at once, what has begun after the grace', () => {
    const fleet = new WalkedFleet(THREE_WAVES, 10);
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
    const fleet = new WalkedFleet(ONE_WAVE, 3);
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

  it('takes devices that come during its last wave with it, and none after', () => {
    const fleet = new WalkedFleet(THREE_WAVES, 4);
    for (let look = 0; look < 8 && fleet.waveStates[2] !== 'RUNNING'; look += 1) {
      fleet.tick(31);
      finish(fleet, 'install', 'SUCCEEDED');
    }
    // The last wave is empty by plan; one came for it.
    fleet.join();
    fleet.tick(1);
    fleet.join();
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.tick(1);
    expect([fleet.open('install').map(({ wave }) => wave), fleet.waveStates[2]]).toEqual([[2], 'SOAKING']);
    fleet.tick(31);
    expect(fleet.state).toBe('RUNNING');
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.join();
    fleet.tick(1);
    expect([fleet.state, new Set(fleet.executions.map(({ device }) => device)).size]).toEqual(['FINISHED', 6]);
  });

  it('goes on with newcomers when asked so, until another rollout does', () => {
    const fleet = new WalkedFleet({ ...ONE_WAVE, newcomers: 'continue' }, 2);
    fleet.tick(0);
    finish(fleet, 'install', 'SUCCEEDED');
    for (const come of [1, 2, 3]) {
      fleet.tick(100_000);
      expect([fleet.state, fleet.waveStates[0]]).toEqual(['RUNNING', 'PASSED']);
      fleet.join();
      fleet.tick(0);
      expect(fleet.open('install').map(({ device }) => device)).toEqual([1 + come]);
      expect(fleet.ask('promote')).toBe(false);
      finish(fleet, 'install', 'SUCCEEDED');
    }
    fleet.overtake();
    fleet.tick(1);
    expect(fleet.state).toBe('FINISHED');
  });

  it('judges newcomers by the gates of its last wave', () => {
    const fleet = new WalkedFleet({ ...ONE_WAVE, newcomers: 'continue' }, 2);
    fleet.tick(0);
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.tick(1);
    fleet.join();
    fleet.tick(1);
    finish(fleet, 'install', 'FAILED');
    fleet.tick(1);
    expect([fleet.state, fleet.waveStates[0]]).toEqual(['ROLLING_BACK', 'FAILED']);
  });

  it('is not held up by a wave that other rollouts have taken wholly', () => {
    const fleet = new WalkedFleet(THREE_WAVES, 10);
    fleet.tick(0);
    for (const one of fleet.open('install')) fleet.supersede(one);
    fleet.tick(0);
    expect([fleet.state, ...fleet.waveStates]).toEqual(['RUNNING', 'SKIPPED', 'RUNNING', 'SCHEDULED']);
  });

  it('ends when a wave fails that had passed, while nobody of the next one has been told yet', () => {
    const rate = { perMinute: 1, increase: 1, every: 1 };
    const fleet = new WalkedFleet(
      { ...THREE_WAVES, strategy: { ...THREE_WAVES.strategy, rate }, onFailure: 'rollback-wave' },
      10,
    );
    fleet.tick(0);
    for (let minute = 0; fleet.waveStates[1] !== 'RUNNING'; minute += 1) {
      finish(fleet, 'install', 'SUCCEEDED');
      fleet.tick(60);
      expect(minute).toBeLessThan(10);
    }
    for (const one of fleet.executions) one.diverged = one.state === 'SUCCEEDED';
    fleet.tick(1);
    expect(fleet.state).toBe('ROLLING_BACK');
    finish(fleet, 'rollback', 'SUCCEEDED');
    for (const one of fleet.open('install')) fleet.report(one, 'SUCCEEDED');
    fleet.tick(1);
    expect(fleet.state).toBe('ROLLED_BACK');
  });

  it('finishes a fleet smaller than its first wave without an empty wave', () => {
    const fleet = new WalkedFleet(THREE_WAVES, 1);
    fleet.tick(0);
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.tick(0);
    fleet.tick(30);
    expect([fleet.state, ...fleet.waveStates]).toEqual(['FINISHED', 'PASSED', 'SKIPPED', 'SKIPPED']);
  });
});
