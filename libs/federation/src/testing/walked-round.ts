import { expect } from 'vitest';
import { Aggregation } from '../aggregate.ts';
import type { EvaluationReport } from '../evaluation.ts';
import { encodeHead, normOf } from '../head-codec.ts';
import { refuseAnswer } from '../participation.ts';
import { commandRound, decideRound, type ParticipantCounts, type RoundDecision, type RoundSnapshot } from '../round.ts';
import { isEndedRound, type Part, type ParticipantState, type RoundState } from '../states.ts';

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

/** One device's part, as the control plane keeps it. */
interface WalkedParticipant {
  readonly part: Part;
  state: ParticipantState;
  update?: { values: Float32Array; samples: number; at: RoundState };
  report?: EvaluationReport;
}

/** A round and its devices in memory: carries decisions out as the control plane does, and checks each of them. */
export class WalkedRound {
  readonly participants = new Map<string, WalkedParticipant>();
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

  of(part: Part): WalkedParticipant[] {
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
