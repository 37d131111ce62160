import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RolloutCommand } from './commands.ts';
import { type ExecutionState, isEndedRollout } from './states.ts';
import { THREE_WAVES, WalkedFleet } from './testing/walked-fleet.ts';

const { strategy, gates } = THREE_WAVES;

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
