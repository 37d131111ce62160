import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RolloutCommand } from './commands.ts';
import { type ExecutionState, isEndedRollout } from './states.ts';
import { type WalkedExecution, WalkedFleet } from './testing/walked-fleet.ts';

const strategy = {
  waves: [
    { size: 2, soak: 30 },
    { size: '50%', soak: 30 },
    { size: '100%', soak: 30 },
  ],
  deadline: 600,
};
const gates = [{ execution: { maxFailureRate: '20%', minimum: 2 } }];

const finish = (fleet: WalkedFleet, kind: WalkedExecution['kind'], state: ExecutionState) => {
  for (const one of fleet.open(kind)) one.state = state;
};

describe('a rollout from its start to its end', () => {
  it('goes wave by wave through soaks and finishes', () => {
    const fleet = new WalkedFleet({ strategy, gates }, 10);
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
    const fleet = new WalkedFleet({ strategy, gates }, 10);
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
    const fleet = new WalkedFleet({ strategy, gates, onFailure: 'rollback-wave' }, 10);
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
    const fleet = new WalkedFleet({ strategy, gates }, 10);
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
    const fleet = new WalkedFleet({ strategy, gates, onFailure: 'pause' }, 10);
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
    const fleet = new WalkedFleet({ strategy, gates }, 10);
    fleet.tick(0);
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.tick(1);
    expect(fleet.ask('promote')).toBe(true);
    fleet.tick(0);
    expect(fleet.started).toEqual([0, 1]);
  });

  it('aborts: what has not begun is canceled at once, what has begun after the grace', () => {
    const fleet = new WalkedFleet({ strategy, gates }, 10);
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
    const fleet = new WalkedFleet({ strategy: { waves: [{ size: '100%', soak: 0 }] }, gates }, 3);
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
    const fleet = new WalkedFleet({ strategy, gates }, 4);
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
    const fleet = new WalkedFleet(
      { strategy: { waves: [{ size: '100%', soak: 0 }] }, gates, newcomers: 'continue' },
      2,
    );
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
    const fleet = new WalkedFleet(
      { strategy: { waves: [{ size: '100%', soak: 0 }] }, gates, newcomers: 'continue' },
      2,
    );
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
    const fleet = new WalkedFleet({ strategy, gates }, 10);
    fleet.tick(0);
    for (const one of fleet.open('install')) fleet.supersede(one);
    fleet.tick(0);
    expect([fleet.state, ...fleet.waveStates]).toEqual(['RUNNING', 'SKIPPED', 'RUNNING', 'SCHEDULED']);
  });

  it('ends when a wave fails that had passed, while nobody of the next one has been told yet', () => {
    const rate = { perMinute: 1, increase: 1, every: 1 };
    const fleet = new WalkedFleet({ strategy: { ...strategy, rate }, gates, onFailure: 'rollback-wave' }, 10);
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
    const fleet = new WalkedFleet({ strategy, gates }, 1);
    fleet.tick(0);
    finish(fleet, 'install', 'SUCCEEDED');
    fleet.tick(0);
    fleet.tick(30);
    expect([fleet.state, ...fleet.waveStates]).toEqual(['FINISHED', 'PASSED', 'SKIPPED', 'SKIPPED']);
  });
});

type Happening =
  /** A device says something, so many times. */
  | { report: ExecutionState; which: number; times: number }
  | { wait: number }
  | { ask: RolloutCommand }
  | { diverge: number }
  /** A device is set beside one that is held back. */
  | { compare: number }
  /** So many devices begin to fit. */
  | { join: number }
  /** A rollout that outranks this one takes a device. */
  | { supersede: number }
  | { overtake: true };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      report: fc.constantFrom<ExecutionState>('SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED', 'FAILED', 'PROBATION', 'REJECTED'),
      which: fc.nat(),
      times: fc.integer({ min: 1, max: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ wait: fc.integer({ min: 0, max: 90 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      ask: fc.constantFrom<RolloutCommand>('approve', 'pause', 'resume', 'promote', 'abort', 'undo', 'deny'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ diverge: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ compare: fc.double({ min: -0.5, max: 0.8, noNaN: true }) }) },
  { weight: 2, arbitrary: fc.record({ join: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ supersede: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ overtake: fc.constant<true>(true) }) },
);

const anyRate = fc.option(
  fc.record({
    perMinute: fc.double({ min: 0.5, max: 20, noNaN: true }),
    increase: fc.constantFrom(1, 1.5, 2),
    every: fc.integer({ min: 1, max: 4 }),
  }),
  { nil: undefined },
);
const anyRollout = fc.record({
  devices: fc.nat({ max: 12 }),
  asked: fc.record({
    onFailure: fc.constantFrom('pause', 'rollback-wave', 'rollback-all'),
    onUncertain: fc.constantFrom('wait', 'pass'),
    approval: fc.constantFrom('none', 'none', 'none', 'required'),
    newcomers: fc.constantFrom('join', 'join', 'ignore', 'continue'),
    gates: fc.constantFrom(gates, [...gates, { latencyP95: { versus: 'control', margin: '15%' } }]),
    strategy: fc.record({
      ...Object.fromEntries(Object.entries(strategy).map(([key, value]) => [key, fc.constant(value)])),
      control: fc.constantFrom('20%', '50%'),
      retries: fc.nat({ max: 2 }),
      rate: anyRate,
    }),
  }),
  happenings: fc.array(happening, { maxLength: 60 }),
});
type Story = typeof anyRollout extends fc.Arbitrary<infer S> ? S : never;

const happen = (fleet: WalkedFleet, one: Happening): void => {
  if ('report' in one) {
    const open = [...fleet.open('install'), ...fleet.open('rollback')];
    const execution = open[one.which % Math.max(1, open.length)];
    for (let time = 0; execution !== undefined && time < one.times; time += 1) fleet.report(execution, one.report);
  } else if ('diverge' in one) {
    const succeeded = fleet.executions.filter(({ kind, state }) => kind === 'install' && state === 'SUCCEEDED');
    const execution = succeeded[one.diverge % Math.max(1, succeeded.length)];
    if (execution !== undefined && (fleet.state === 'RUNNING' || fleet.state === 'PAUSED')) execution.diverged = true;
  } else if ('compare' in one) {
    const wave = fleet.waveStates.findIndex((state) => state === 'RUNNING' || state === 'SOAKING');
    if (wave >= 0) fleet.compare(wave, one.compare);
  } else if ('join' in one) {
    for (let device = 0; device < one.join; device += 1) fleet.join();
  } else if ('supersede' in one) {
    const open = fleet.open('install');
    const execution = open[one.supersede % Math.max(1, open.length)];
    if (execution !== undefined) fleet.supersede(execution);
  } else if ('overtake' in one) {
    fleet.overtake();
  } else if ('ask' in one) {
    fleet.ask(one.ask);
  }
  fleet.tick('wait' in one ? one.wait : 0);
};

const live = ({ devices, asked, happenings }: Story): WalkedFleet => {
  const fleet = new WalkedFleet(asked, devices);
  for (const one of happenings) happen(fleet, one);
  return fleet;
};
/** It takes newcomers without end, and has come so far. */
const goesOn = (fleet: WalkedFleet, { asked }: Story): boolean =>
  asked.newcomers === 'continue' &&
  fleet.state === 'RUNNING' &&
  fleet.waveStates.every((state) => state === 'PASSED' || state === 'SKIPPED' || state === 'RUNNING');
const seen = (fleet: WalkedFleet): string => JSON.stringify([fleet.state, fleet.waveStates, fleet.executions]);

const RUNS = { numRuns: 300 };

describe('any rollout', () => {
  it('moves only as its states allow, starts waves in order, and asks no device twice', () => {
    fc.assert(
      fc.property(anyRollout, (story) => {
        const fleet = live(story);
        expect(fleet.started).toEqual([...fleet.started].sort((a, b) => a - b));
        const installs = fleet.executions.filter(({ kind }) => kind === 'install').map(({ device }) => device);
        expect(new Set(installs).size).toBe(installs.length);
        const underWay = fleet.waveStates.filter((state) => state === 'RUNNING' || state === 'SOAKING');
        expect(underWay.length).toBeLessThanOrEqual(1);
      }),
      RUNS,
    );
  });

  it('starts no wave before the one before it has passed', () => {
    fc.assert(
      fc.property(anyRollout, ({ devices, asked, happenings }) => {
        const fleet = new WalkedFleet(asked, devices);
        for (const one of happenings) {
          const begun = fleet.started.length;
          const before = fleet.waveStates;
          happen(fleet, one);
          for (const wave of fleet.started.slice(begun)) {
            // It may have passed at this very look.
            const passed = [before, fleet.waveStates].some((states) =>
              states.slice(0, wave).every((state) => state === 'PASSED' || state === 'SKIPPED' || state === 'FAILED'),
            );
            expect(passed).toBe(true);
            if (before.slice(0, wave).includes('FAILED')) expect(one).toEqual({ ask: 'promote' });
          }
        }
      }),
      RUNS,
    );
  });

  it('tells never more devices in any time than its rate has grown to', () => {
    fc.assert(
      fc.property(anyRollout, (story) => {
        const { rate } = story.asked.strategy as { rate?: { perMinute: number; increase: number; every: number } };
        if (rate === undefined) return;
        const fleet = live(story);
        const succeeded = fleet.executions.filter(({ state }) => state === 'SUCCEEDED' || state === 'CANCELED').length;
        const most = rate.perMinute * rate.increase ** Math.floor(succeeded / rate.every);
        fleet.told.forEach((from, first) => {
          fleet.told.slice(first).forEach((to, further) => {
            const allowed = Math.max(1, most / 6) + ((to - from) / 60_000) * most;
            expect(further + 1).toBeLessThanOrEqual(allowed + 1e-6);
          });
        });
      }),
      RUNS,
    );
  });

  it('comes to an end by time alone, or waits for a person, and then does nothing more', () => {
    fc.assert(
      fc.property(anyRollout, (story) => {
        const fleet = live(story);
        for (let look = 0; look < 100; look += 1) fleet.tick(700);
        expect(
          isEndedRollout(fleet.state) ||
            ['PAUSED', 'WAITING_FOR_APPROVAL'].includes(fleet.state) ||
            goesOn(fleet, story),
        ).toBe(true);
        const before = seen(fleet);
        fleet.tick(1_000_000);
        expect(seen(fleet)).toBe(before);
      }),
      RUNS,
    );
  });

  it('ends however many devices come, unless it shall go on with them; those that fit before its last wave soaks are in it', () => {
    fc.assert(
      fc.property(anyRollout, (story) => {
        const fleet = live(story);
        for (let look = 0; look < 100; look += 1) {
          fleet.join();
          fleet.tick(700);
        }
        const isOver = isEndedRollout(fleet.state) || ['PAUSED', 'WAITING_FOR_APPROVAL'].includes(fleet.state);
        expect(isOver || goesOn(fleet, story)).toBe(true);
        const taken = new Set(fleet.executions.map(({ device }) => device)).size;
        if (story.asked.newcomers === 'ignore') expect(taken).toBeLessThanOrEqual(story.devices);
        if (!isOver) expect(taken).toBe(fleet.size);
      }),
      RUNS,
    );
  });

  it('is the same whether a device says a thing once or again and again', () => {
    fc.assert(
      fc.property(anyRollout, (story) => {
        const saying = (times: number): Story => ({
          ...story,
          happenings: story.happenings.map((one) => ('report' in one ? { ...one, times } : one)),
        });
        expect(seen(live(saying(3)))).toBe(seen(live(saying(1))));
      }),
      RUNS,
    );
  });

  it('follows from what arrived and in which order alone', () => {
    fc.assert(
      fc.property(anyRollout, (story) => {
        expect(seen(live(story))).toBe(seen(live(structuredClone(story))));
        // However often somebody looks in between.
        const watched = new WalkedFleet(story.asked, story.devices);
        for (const one of story.happenings) {
          happen(watched, one);
          for (let look = 0; look < 3; look += 1) watched.tick(0);
        }
        expect(seen(watched)).toBe(seen(live(story)));
      }),
      RUNS,
    );
  });
});
