import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RoundSnapshot } from './round.ts';
import { isEndedRound, type Part } from './states.ts';
import { WalkedRound } from './testing/walked-round.ts';

const devices = (count: number) => Array.from({ length: count }, (_, index) => `d${index}`);
const spec: RoundSnapshot['spec'] = {
  goal: 3,
  minimum: 2,
  overSelection: 1.3,
  evaluators: 2,
  selectFor: 60,
  collectFor: 300,
  evaluateFor: 120,
  margin: 0,
};

describe('a round from its start to its end', () => {
  it('trains, sums, evaluates and commits', () => {
    const round = new WalkedRound(spec, devices(20));
    round.tick(0);
    expect([round.state, ...round.rung]).toEqual(['COLLECTING', 'd2', 'd3', 'd4', 'd5']);
    for (const id of ['d4', 'd2', 'd3']) expect(round.answer(id, 'train', 8)).toBe(true);
    round.tick(1);
    expect([round.state, ...round.rung.slice(4)]).toEqual(['EVALUATING', 'd0', 'd1']);
    expect(round.participants.get('d5')?.state).toBe('SILENT');
    expect(round.answer('d5', 'train', 8)).toBe(false);
    for (const id of ['d0', 'd1']) expect(round.answer(id, 'evaluate', 7)).toBe(true);
    round.tick(1);
    expect(round.state).toBe('COMMITTED');
    expect(round.aggregates).toEqual([{ ids: ['d2', 'd3', 'd4'], digest: expect.any(String) }]);
  });

  it('closes at its deadline with stragglers, not a second later', () => {
    const round = new WalkedRound({ ...spec, goal: 10, minimum: 5, overSelection: 1 }, devices(12));
    round.tick(0);
    for (let device = 2; device < 9; device += 1) round.answer(`d${device}`, 'train', 8);
    round.tick(299.999);
    expect(round.state).toBe('COLLECTING');
    round.tick(0.001);
    expect(round.state).toBe('EVALUATING');
    expect(round.counts('train')).toEqual({ REPORTED: 7, SILENT: 3 });
  });

  it('does not get longer by a conductor that was away', () => {
    const round = new WalkedRound(spec, devices(20));
    round.step();
    round.step();
    expect(round.state).toBe('CONFIGURED');
    round.tick(300);
    expect(round.state).toBe('ABANDONED');
  });
});

type Happening =
  | { wait: number }
  /** Some device answers, asked or not. */
  | { device: number; to: Part; value: number }
  /** One of those that were asked and are waited for answers. */
  | { asked: number; value: number }
  | { killed: true }
  | { abandon: true };

describe('any round', () => {
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    { weight: 8, arbitrary: fc.record({ asked: fc.nat(14), value: fc.nat(100) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        device: fc.nat(14),
        to: fc.constantFrom<Part>('train', 'train', 'evaluate'),
        value: fc.nat(100),
      }),
    },
    { weight: 4, arbitrary: fc.record({ wait: fc.integer({ min: 0, max: 30 }) }) },
    { weight: 3, arbitrary: fc.constant({ killed: true as const }) },
    { weight: 1, arbitrary: fc.constant({ abandon: true as const }) },
  );
  const anyRound = fc.record({
    spec: fc.record({
      goal: fc.integer({ min: 1, max: 6 }),
      minimum: fc.integer({ min: 1, max: 3 }),
      overSelection: fc.double({ min: 1, max: 2, noNaN: true }),
      evaluators: fc.integer({ min: 1, max: 3 }),
      selectFor: fc.integer({ min: 1, max: 100 }),
      collectFor: fc.integer({ min: 1, max: 300 }),
      evaluateFor: fc.integer({ min: 1, max: 300 }),
      margin: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    eligible: fc.shuffledSubarray(devices(15)),
    happenings: fc.array(happening, { maxLength: 60, size: 'max' }),
  });

  const live = (round: WalkedRound, happenings: readonly Happening[]) => {
    for (const one of happenings) {
      if ('wait' in one) round.tick(one.wait);
      else if ('killed' in one) round.step(true);
      else if ('abandon' in one) round.abandon();
      else if ('device' in one) round.answer(`d${one.device}`, one.to, one.value);
      else {
        const waitedFor = [...round.participants].filter(
          ([, { part, state }]) =>
            state === 'INVITED' && part === (round.state === 'EVALUATING' ? 'evaluate' : 'train'),
        );
        const [id, participant] = waitedFor[one.asked % Math.max(1, waitedFor.length)] ?? [];
        if (id !== undefined && participant !== undefined) round.answer(id, participant.part, one.value);
        round.step();
      }
    }
  };

  it('ends by the clock alone, within the sum of its phases, and then does nothing more', () => {
    fc.assert(
      fc.property(anyRound, (given) => {
        const round = new WalkedRound(given.spec, given.eligible);
        live(round, given.happenings);
        const { selectFor, collectFor, evaluateFor } = given.spec;
        const longest = round.now + (selectFor + collectFor + evaluateFor) * 1000;
        while (!isEndedRound(round.state) && round.now < longest) round.tick(1);
        expect(isEndedRound(round.state), round.state).toBe(true);
        expect(
          [...round.participants.values()].filter(({ state }) => state === 'INVITED' || state === 'WORKING'),
        ).toEqual([]);
        const before = JSON.stringify([round.state, [...round.participants], round.rung]);
        round.tick(1e6);
        expect(JSON.stringify([round.state, [...round.participants], round.rung])).toBe(before);
      }),
      { numRuns: 300 },
    );
  });

  it('sums each update once, none that came after COLLECTING, and the same ones again after a crash', () => {
    const seen = { committed: 0, summedAgain: 0 };
    fc.assert(
      fc.property(anyRound, (given) => {
        const round = new WalkedRound(given.spec, given.eligible);
        live(round, given.happenings);
        expect(new Set(round.aggregates.map(({ digest }) => digest)).size).toBeLessThanOrEqual(1);
        const [aggregate] = round.aggregates;
        if (aggregate === undefined) return;
        const trained = [...round.participants].filter(
          ([, { state, part }]) => part === 'train' && state === 'REPORTED',
        );
        if (round.aggregates.length > 1) seen.summedAgain += 1;
        expect(new Set(aggregate.ids).size).toBe(aggregate.ids.length);
        expect(aggregate.ids).toEqual(trained.map(([id]) => id).sort());
        expect(trained.every(([, { update }]) => update?.at === 'COLLECTING')).toBe(true);
        expect(aggregate.ids.length).toBeGreaterThanOrEqual(Math.min(given.spec.goal, given.spec.minimum));
        if (round.state === 'COMMITTED') {
          seen.committed += 1;
          expect(round.of('evaluate').some(({ report }) => report !== undefined)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
    // The walks do reach what matters.
    expect(seen.committed).toBeGreaterThan(0);
    expect(seen.summedAgain).toBeGreaterThan(0);
  });
});
