import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aggregateRound } from '../../apps/control-plane/src/features/federation/aggregator.ts';
import { RoundConductor } from '../../apps/control-plane/src/features/federation/round-conductor.ts';
import { RoundDecisionsApplier } from '../../apps/control-plane/src/features/federation/round-decisions-applier.ts';
import { loadRound } from '../../apps/control-plane/src/features/federation/round-snapshot.ts';
import type { Database } from '../../apps/control-plane/src/infra/database.ts';
import { expectedDigest, LearningFleet } from '../support/learning-fleet.ts';
import { TestDatabase } from '../support/test-database.ts';
import { until } from '../support/test-fleet.ts';

describe('a round whose conductors are killed, with a real database', () => {
  let t: TestDatabase;
  let fleet: LearningFleet;
  let blocker: Database;
  let victim: Database;

  beforeAll(async () => {
    t = await TestDatabase.start();
    fleet = await LearningFleet.open(t);
    blocker = await t.another();
    victim = await t.another();
  });
  afterAll(async () => {
    await blocker.stop();
    await victim.stop();
    await fleet.close();
    await t.stop();
  });
  beforeEach(() => fleet.publish('grey@1.0.0'));
  afterEach(() => t.clear());

  /** Ends the connection of whoever is at such a statement, as soon as somebody is. */
  const kill = async (like: string): Promise<void> => {
    while ((await t.kill(like)) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  };

  /** Does `work` while nobody can write what a round has gone through: with that, every step ends. */
  const whileNobodyCanTell = (work: () => Promise<void>): Promise<void> =>
    blocker.transaction(async (sql) => {
      await sql.query('lock table round_history in share mode');
      await work();
    });

  const stored = (id: string) =>
    t.query(
      `select r.version, r.state, r.aggregate, r.evaluation, r.aggregate_update is null as "isEmpty",
         (select count(*)::integer from outbox) as letters,
         (select json_agg(json_build_array(device_id, part, state, sha256, reason) order by device_id)
          from round_participant where round_id = r.id) as participants
       from federated_round r where r.id = $1`,
      [id],
    );

  it('loses nothing and doubles nothing, whichever step is cut off just before its end', async () => {
    await fleet.addDevices(5);
    const { id } = await fleet.services.rounds.create(fleet.spec());
    const parts = async (part: string) =>
      (await fleet.services.rounds.show(id)).participants.filter((one) => one.part === part);
    const seen: string[] = [];
    for (;;) {
      const before = await stored(id);
      let lost: unknown;
      await whileNobodyCanTell(async () => {
        const cut = fleet.step(id, victim).catch((error: unknown) => {
          lost = error;
        });
        await kill('insert into round_history%');
        await cut;
      });
      expect(String(lost)).toMatch(/terminat/i);
      expect(await stored(id)).toEqual(before);
      expect(await fleet.step(id)).toBe(true);
      const { state, aggregate } = await fleet.services.rounds.show(id);
      seen.push(aggregate === null ? state : `${state} ${aggregate.sha256}`);
      if (state === 'COLLECTING') for (const { deviceId } of await parts('train')) await fleet.sendUpdate(id, deviceId);
      if (state === 'EVALUATING')
        for (const { deviceId } of await parts('evaluate')) await fleet.sendEvaluation(id, deviceId, 85);
      if (state === 'COMMITTED' || state === 'ABANDONED') break;
    }
    const trainers = (await parts('train')).map(({ deviceId }) => deviceId);
    const digest = expectedDigest(trainers);
    const way = [
      'SELECTING',
      'CONFIGURED',
      'COLLECTING',
      'AGGREGATING',
      `AGGREGATING ${digest}`,
      `EVALUATING ${digest}`,
    ];
    expect(seen).toEqual([...way, `COMMITTED ${digest}`]);
    const evaluators = (await parts('evaluate')).map(({ deviceId }) => deviceId);
    expect((await fleet.doorbells()).toSorted()).toEqual([...trainers, ...evaluators].toSorted());
  });

  it('is carried on by another conductor when one dies while it sums, to the same digest', async () => {
    await fleet.addDevices(5);
    const { id, trainers, evaluators } = await fleet.begin();
    for (const device of trainers) await fleet.sendUpdate(id, device);
    const other = await t.another();
    const conductors = [victim, other].map(
      (database) => new RoundConductor(database, new RoundDecisionsApplier(), t.log),
    );
    expect(await fleet.step(id)).toBe(true);
    await whileNobodyCanTell(async () => {
      for (const conductor of conductors) conductor.start();
      for (let deaths = 0; deaths < 3; deaths += 1) await kill('insert into round_history%');
      expect(await fleet.services.rounds.show(id)).toMatchObject({ state: 'AGGREGATING', aggregate: null });
    });
    const evaluating = await until('evaluating', 20, async () => {
      const round = await fleet.services.rounds.show(id);
      return round.state === 'EVALUATING' ? round : undefined;
    });
    expect(evaluating.aggregate).toMatchObject({ sha256: expectedDigest(trainers), updates: 4 });
    expect(evaluating.history.filter(({ message }) => message.startsWith('summed'))).toHaveLength(1);
    const again = await t.database.transaction(async (sql) => {
      const round = await loadRound(sql, id, 'wait');
      return round === undefined ? undefined : aggregateRound(sql, round);
    });
    expect(again?.aggregate).toEqual(evaluating.aggregate);
    for (const device of evaluators) await fleet.sendEvaluation(id, device, 81);
    await until('the end', 20, async () => (await fleet.services.rounds.show(id)).endedAt ?? undefined);
    for (const conductor of conductors) await conductor.stop();
    await other.stop();
    expect((await fleet.services.rounds.show(id)).state).toBe('COMMITTED');
  });

  it('counts an update once whose connection died before it was stored, and answers the next try as the first', async () => {
    await fleet.addDevices(5);
    const { id, trainers } = await fleet.begin();
    const [first = ''] = trainers;
    await blocker.transaction(async (sql) => {
      await sql.query('update round_participant set updated_at = now() where device_id = $1', [first]);
      const lost = fleet.sendUpdate(id, first).catch((error: unknown) => String(error));
      await kill('select part, state, sha256%for update');
      expect(await lost).toMatch(/terminat/i);
    });
    expect(await fleet.services.rounds.show(id)).toMatchObject({ state: 'COLLECTING', updates: 0, refused: 0 });
    await Promise.all([first, first, first, ...trainers.slice(1)].map((device) => fleet.sendUpdate(id, device)));
    expect(await fleet.settle(id)).toMatchObject({
      state: 'EVALUATING',
      updates: 4,
      aggregate: { updates: 4, sha256: expectedDigest(trainers) },
    });
  });

  it('takes no update between the last count and the sum', async () => {
    await fleet.addDevices(6);
    const { id, trainers } = await fleet.begin({ goal: 4, overSelection: 1.25 });
    const [late = '', ...others] = trainers;
    for (const device of others) await fleet.sendUpdate(id, device);
    let answer: unknown;
    let sending: Promise<void> | undefined;
    let step: Promise<boolean> | undefined;
    await whileNobodyCanTell(async () => {
      // It has ended the open parts, and cannot say so yet; the device's update waits for it.
      step = fleet.step(id, victim);
      await until('the end of collecting', 5, async () =>
        (
          await t.query(
            `select 1 from pg_stat_activity where query like 'insert into round_history%' and wait_event_type = 'Lock'`,
          )
        ).length > 0
          ? true
          : undefined,
      );
      sending = fleet.sendUpdate(id, late).catch((error: unknown) => {
        answer = error;
      });
    });
    await step;
    await sending;
    expect(answer).toMatchObject({ code: 'round-not-now' });
    expect(await fleet.settle(id)).toMatchObject({
      updates: 4,
      aggregate: { updates: 4, sha256: expectedDigest(others) },
    });
  });

  it('is moved once by several conductors at once', async () => {
    await fleet.addDevices(21);
    const others = await Promise.all([t.another(), t.another()]);
    const conductors = [victim, ...others].map(
      (database) => new RoundConductor(database, new RoundDecisionsApplier(), t.log),
    );
    for (const conductor of conductors) conductor.start();
    const { id } = await fleet.services.rounds.create(fleet.spec({ goal: 18, evaluators: 3 }));
    const answered = new Set<string>();
    await until('the end', 30, async () => {
      const round = await fleet.services.rounds.show(id);
      for (const { deviceId, part } of round.participants) {
        const isAsked = round.state === (part === 'train' ? 'COLLECTING' : 'EVALUATING');
        if (!isAsked || answered.has(deviceId)) continue;
        answered.add(deviceId);
        await (part === 'train' ? fleet.sendUpdate(id, deviceId) : fleet.sendEvaluation(id, deviceId, 90));
      }
      return round.endedAt ?? undefined;
    });
    for (const conductor of conductors) await conductor.stop();
    for (const database of others) await database.stop();
    const { state, history, participants, aggregate } = await fleet.services.rounds.show(id);
    const trainers = participants.filter(({ part }) => part === 'train').map(({ deviceId }) => deviceId);
    expect([state, trainers.length, aggregate?.sha256]).toEqual(['COMMITTED', 18, expectedDigest(trainers)]);
    expect(history.map(({ message }) => message.split(/[: ]/)[0])).toEqual([
      'created',
      'improves',
      'SELECTING',
      'CONFIGURED',
      'COLLECTING',
      'AGGREGATING',
      'summed',
      'EVALUATING',
      'COMMITTED',
      'deleted',
    ]);
    expect((await fleet.doorbells()).toSorted()).toEqual(participants.map(({ deviceId }) => deviceId).toSorted());
  });
});
