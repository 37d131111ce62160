import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Aggregation } from './aggregate.ts';
import type { EvaluationReport } from './evaluation.ts';
import { encodeHead, normOf } from './head-codec.ts';
import { refuseAnswer } from './participation.ts';
import { commandRound, decideRound, type ParticipantCounts, type RoundDecision, type RoundSnapshot } from './round.ts';
import { isEndedRound, type Part, type ParticipantState, type RoundState } from './states.ts';

const MOVES: Record<RoundState, readonly RoundState[]> = {
  DRAFT: ['SELECTING', 'ABANDONED'],
  SELECTING: ['CONFIGURED', 'ABANDONED'],
  CONFIGURED: ['COLLECTING', 'ABANDONED'],
  COLLECTING: ['AGGREGATING', 'ABANDONED'],
  AGGREGATING: ['EVALUATING', 'ABANDONED'],
  EVALUATING: ['COMMITTED', 'ABANDONED'],
  COMMITTED: [],
  ABANDONED: [],
};

interface Participant {
  readonly part: Part;
  state: ParticipantState;
  update?: { values: Float32Array; samples: number; at: RoundState };
  report?: EvaluationReport;
}

/** A round and its devices in memory: carries decisions out as the control plane does, and checks each of them. */
class World {
  readonly participants = new Map<string, Participant>();
  readonly rung: string[] = [];
  readonly aggregates: { ids: string[]; digest: string }[] = [];
  state: RoundState = 'DRAFT';
  deadlineAt: number | null = null;
  now = 0;
  endedAt = 0;
  private aggregated = false;
  private readonly spec: RoundSnapshot['spec'];
  private readonly eligible: string[];

  constructor(spec: RoundSnapshot['spec'], eligible: string[]) {
    this.spec = spec;
    this.eligible = eligible;
  }

  of(part: Part): Participant[] {
    return [...this.participants.values()].filter((one) => one.part === part);
  }

  counts(part: Part): ParticipantCounts {
    const counts: ParticipantCounts = {};
    for (const { state } of this.of(part)) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  snapshot(): RoundSnapshot {
    return {
      state: this.state,
      deadlineAt: this.deadlineAt,
      spec: this.spec,
      eligible: this.eligible,
      ineligible: [],
      trainers: this.counts('train'),
      evaluators: this.counts('evaluate'),
      aggregated: this.aggregated,
      reports: this.of('evaluate').flatMap(({ report }) => (report === undefined ? [] : [report])),
    };
  }

  /** One look of the conductor. @param killed before it could commit: its decisions are lost */
  step(killed = false): boolean {
    const decisions = decideRound(this.snapshot(), this.now);
    if (killed) {
      // It may have summed already; nobody has seen the result.
      if (decisions.some(({ kind }) => kind === 'aggregate')) this.sum();
      return false;
    }
    for (const decision of decisions) this.apply(decision);
    return decisions.length > 0;
  }

  tick(seconds: number): void {
    this.now += seconds * 1000;
    for (let step = 0; step < 20; step += 1) if (!this.step()) return;
    throw new Error(`expected to come to rest, still moving in ${this.state}`);
  }

  abandon(): void {
    if (isEndedRound(this.state)) expect(() => commandRound(this.snapshot(), 'abandon')).toThrow(/under way/);
    else for (const decision of commandRound(this.snapshot(), 'abandon')) this.apply(decision);
  }

  /** A device answers, in time or not. @returns whether it was taken */
  answer(id: string, to: Part, value: number): boolean {
    const participant = this.participants.get(id);
    if (refuseAnswer({ to, round: this, participant }, this.now) !== undefined || participant === undefined)
      return false;
    if (value % 5 === 0) participant.state = value % 2 === 0 ? 'REFUSED' : 'DECLINED';
    else {
      participant.state = 'REPORTED';
      if (to === 'train')
        participant.update = { values: Float32Array.of(value, 1), samples: 1 + value, at: this.state };
      else {
        const correct = value % 11;
        participant.report = { samples: 10, base: { correct: 5, loss: 1 }, candidate: { correct, loss: 1 } };
      }
    }
    return true;
  }

  private sum(): void {
    const updates = [...this.participants].flatMap(([deviceId, { state, update }]) =>
      state === 'REPORTED' && update !== undefined ? [{ deviceId, ...update, norm: normOf(update.values) }] : [],
    );
    const aggregation = new Aggregation(updates, null);
    for (const id of aggregation.order)
      aggregation.add(id, this.participants.get(id)?.update?.values ?? new Float32Array());
    const { values } = aggregation.finish();
    this.aggregates.push({ ids: [...aggregation.order], digest: encodeHead(values).join() });
  }

  private apply(decision: RoundDecision): void {
    switch (decision.kind) {
      case 'select':
        expect(this.participants.size).toBe(0);
        for (const [part, ids] of [
          ['train', decision.train],
          ['evaluate', decision.evaluate],
        ] as const) {
          for (const id of ids) {
            expect(this.participants.has(id), `${id} has two parts`).toBe(false);
            this.participants.set(id, { part, state: 'INVITED' });
          }
        }
        return;
      case 'invite':
        for (const [id, { part }] of this.participants) if (part === decision.part) this.rung.push(id);
        return;
      case 'close-participants':
        for (const one of this.of(decision.part)) {
          if (one.state === 'INVITED' || one.state === 'WORKING') one.state = 'SILENT';
        }
        return;
      case 'move':
        this.enter(decision.state);
        this.deadlineAt = decision.deadlineAt;
        return;
      case 'aggregate':
        expect(this.state).toBe('AGGREGATING');
        this.sum();
        this.aggregated = true;
        return;
      case 'record-evaluation':
        expect(decision.evaluation.devices).toBe(this.snapshot().reports.length);
        return;
      case 'commit':
        this.enter('COMMITTED');
        return;
      case 'abandon':
        expect(decision.words).not.toBe('');
        this.enter('ABANDONED');
    }
  }

  private enter(state: RoundState): void {
    expect(MOVES[this.state], `from ${this.state}`).toContain(state);
    this.state = state;
    if (isEndedRound(state)) this.endedAt = this.now;
  }
}

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
    const world = new World(spec, devices(20));
    world.tick(0);
    expect([world.state, ...world.rung]).toEqual(['COLLECTING', 'd2', 'd3', 'd4', 'd5']);
    for (const id of ['d4', 'd2', 'd3']) expect(world.answer(id, 'train', 8)).toBe(true);
    world.tick(1);
    expect([world.state, ...world.rung.slice(4)]).toEqual(['EVALUATING', 'd0', 'd1']);
    expect(world.participants.get('d5')?.state).toBe('SILENT');
    expect(world.answer('d5', 'train', 8)).toBe(false);
    for (const id of ['d0', 'd1']) expect(world.answer(id, 'evaluate', 7)).toBe(true);
    world.tick(1);
    expect(world.state).toBe('COMMITTED');
    expect(world.aggregates).toEqual([{ ids: ['d2', 'd3', 'd4'], digest: expect.any(String) }]);
  });

  it('closes at its deadline with stragglers, not a second later', () => {
    const world = new World({ ...spec, goal: 10, minimum: 5, overSelection: 1 }, devices(12));
    world.tick(0);
    for (let device = 2; device < 9; device += 1) world.answer(`d${device}`, 'train', 8);
    world.tick(299.999);
    expect(world.state).toBe('COLLECTING');
    world.tick(0.001);
    expect(world.state).toBe('EVALUATING');
    expect(world.counts('train')).toEqual({ REPORTED: 7, SILENT: 3 });
  });

  it('does not get longer by a conductor that was away', () => {
    const world = new World(spec, devices(20));
    world.step();
    world.step();
    expect(world.state).toBe('CONFIGURED');
    world.tick(300);
    expect(world.state).toBe('ABANDONED');
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

  const live = (world: World, happenings: readonly Happening[]) => {
    for (const one of happenings) {
      if ('wait' in one) world.tick(one.wait);
      else if ('killed' in one) world.step(true);
      else if ('abandon' in one) world.abandon();
      else if ('device' in one) world.answer(`d${one.device}`, one.to, one.value);
      else {
        const waitedFor = [...world.participants].filter(
          ([, { part, state }]) =>
            state === 'INVITED' && part === (world.state === 'EVALUATING' ? 'evaluate' : 'train'),
        );
        const [id, participant] = waitedFor[one.asked % Math.max(1, waitedFor.length)] ?? [];
        if (id !== undefined && participant !== undefined) world.answer(id, participant.part, one.value);
        world.step();
      }
    }
  };

  it('ends by the clock alone, within the sum of its phases, and then does nothing more', () => {
    fc.assert(
      fc.property(anyRound, (given) => {
        const world = new World(given.spec, given.eligible);
        live(world, given.happenings);
        const { selectFor, collectFor, evaluateFor } = given.spec;
        const longest = world.now + (selectFor + collectFor + evaluateFor) * 1000;
        while (!isEndedRound(world.state) && world.now < longest) world.tick(1);
        expect(isEndedRound(world.state), world.state).toBe(true);
        expect(
          [...world.participants.values()].filter(({ state }) => state === 'INVITED' || state === 'WORKING'),
        ).toEqual([]);
        const before = JSON.stringify([world.state, [...world.participants], world.rung]);
        world.tick(1e6);
        expect(JSON.stringify([world.state, [...world.participants], world.rung])).toBe(before);
      }),
      { numRuns: 300 },
    );
  });

  it('sums each update once, none that came after COLLECTING, and the same ones again after a crash', () => {
    const seen = { committed: 0, summedAgain: 0 };
    fc.assert(
      fc.property(anyRound, (given) => {
        const world = new World(given.spec, given.eligible);
        live(world, given.happenings);
        expect(new Set(world.aggregates.map(({ digest }) => digest)).size).toBeLessThanOrEqual(1);
        const [aggregate] = world.aggregates;
        if (aggregate === undefined) return;
        const trained = [...world.participants].filter(
          ([, { state, part }]) => part === 'train' && state === 'REPORTED',
        );
        if (world.aggregates.length > 1) seen.summedAgain += 1;
        expect(new Set(aggregate.ids).size).toBe(aggregate.ids.length);
        expect(aggregate.ids).toEqual(trained.map(([id]) => id).sort());
        expect(trained.every(([, { update }]) => update?.at === 'COLLECTING')).toBe(true);
        expect(aggregate.ids.length).toBeGreaterThanOrEqual(Math.min(given.spec.goal, given.spec.minimum));
        if (world.state === 'COMMITTED') {
          seen.committed += 1;
          expect(world.of('evaluate').some(({ report }) => report !== undefined)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
    // The walks do reach what matters.
    expect(seen.committed).toBeGreaterThan(0);
    expect(seen.summedAgain).toBeGreaterThan(0);
  });
});
