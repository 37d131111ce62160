import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RoundConductor } from '../../apps/control-plane/src/features/federation/round-conductor.ts';
import { expectedDigest, FP16, FP32, LearningFleet } from '../support/learning-fleet.ts';
import { TestDatabase } from '../support/test-database.ts';
import { until } from '../support/test-fleet.ts';

describe('federated rounds, with a real database', () => {
  let t: TestDatabase;
  let fleet: LearningFleet;

  beforeAll(async () => {
    t = await TestDatabase.start();
    fleet = await LearningFleet.open(t);
  });
  afterAll(async () => {
    await fleet.close();
    await t.stop();
  });
  beforeEach(() => fleet.publish('grey@1.0.0', [FP32, FP16]));
  afterEach(() => t.clear());

  const rounds = () => t.query<{ id: string }>('select id from federated_round');

  describe('creating', () => {
    it.each([
      ['release-unknown', { release: 'grey@9.0.0' }],
      ['release-not-trainable', { release: 'plain@1.0.0' }],
      ['selector-invalid', { target: 'site = test and' }],
      ['target-empty', { target: 'site = nowhere' }],
      ['goal-impossible', { goal: 5 }],
      ['goal-impossible', { goal: 1, evaluators: 5 }],
    ])('refuses in words, and creates nothing: %s', async (code, more) => {
      await fleet.publish('plain@1.0.0', [undefined]);
      await fleet.addDevices(5);
      const refused = fleet.services.rounds.create(fleet.spec(more));
      await expect(refused).rejects.toMatchObject({ code, status: code === 'release-unknown' ? 404 : 400 });
      await expect(fleet.services.rounds.preview(fleet.spec(more))).rejects.toMatchObject({ code });
      expect(await rounds()).toEqual([]);
    });

    it('shows the place in a wrong selector, and what goal is possible', async () => {
      await fleet.addDevices(5);
      await expect(fleet.services.rounds.create(fleet.spec({ target: 'site = test and' }))).rejects.toThrow(
        /site = test and/,
      );
      await expect(fleet.services.rounds.create(fleet.spec({ goal: 9 }))).rejects.toThrow(
        /goal of at most 4, got 9.* names 5 devices, and 1 are kept from training/,
      );
    });

    it('has one round of a model at a time, however many are asked for at once', async () => {
      await fleet.addDevices(5);
      const asked = await Promise.allSettled(
        Array.from({ length: 4 }, () => fleet.services.rounds.create(fleet.spec())),
      );
      expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const one of asked) {
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'round-under-way', status: 409 });
      }
      expect(await rounds()).toHaveLength(1);
    });

    it('improves what most of the targeted devices keep samples of, and says which', async () => {
      await fleet.addDevices(2);
      await fleet.addDevices(4, { from: 10, training: FP16 });
      await fleet.addDevices(9, { from: 20, training: FP32, samples: 3 });
      const preview = await fleet.services.rounds.preview(fleet.spec({ goal: 2 }));
      expect(preview).toEqual({
        devices: 15,
        eligible: 4,
        samples: 400,
        words: ['11 devices with samples of another backbone (of another variant, release or model)'],
      });
      const { id } = await fleet.services.rounds.create(fleet.spec({ goal: 2 }));
      const { backbone, history } = await fleet.services.rounds.show(id);
      expect(backbone).toBe(FP16.backbone);
      expect(history[1]?.message).toBe(
        `improves the head of v1: 4 devices keep at least 50 samples of its backbone ${FP16.backbone.slice(0, 12)}`,
      );
    });

    it('says in a preview why devices cannot take part, each reason with its number', async () => {
      await fleet.addDevices(3);
      await fleet.addDevices(2, { from: 10, presence: 'offline' });
      await fleet.addDevices(1, { from: 20, samples: 49 });
      await fleet.addDevices(1, { from: 30, training: { ...FP32, base: FP16.base } });
      const [silent] = await fleet.addDevices(1, { from: 40 });
      await t.query('delete from learning_state where device_id = $1', [silent]);
      expect(await fleet.services.rounds.preview(fleet.spec())).toEqual({
        devices: 8,
        eligible: 3,
        samples: 300,
        words: [
          '1 device without labelled samples (start the agent there with --learn)',
          '1 device with another head than the one to be improved',
          '1 device with fewer than 50 labelled samples',
          '2 devices offline',
        ],
      });
    });
  });

  it('goes from devices to a candidate, and keeps nothing of a single device', async () => {
    await fleet.addDevices(6);
    const { id, trainers, evaluators } = await fleet.begin({ goal: 4, overSelection: 1.2 });
    expect([trainers.length, evaluators.length]).toEqual([5, 1]);
    expect((await fleet.doorbells()).toSorted()).toEqual(trainers);
    const [first = '', ...others] = trainers;
    expect(await fleet.services.participations.taskOf(first)).toMatchObject({
      round: id,
      part: 'train',
      release: 'grey@1.0.0',
      base: FP32.base,
      backbone: FP32.backbone,
      minSamples: 50,
      update: null,
    });
    await expect(fleet.services.participations.taskOf(evaluators[0] ?? '')).rejects.toMatchObject({
      code: 'round-none',
      status: 404,
    });
    await fleet.services.participations.decline(first, id, { code: 'samples-gone', reason: 'it was emptied' });
    for (const device of others) await fleet.sendUpdate(id, device);
    expect(await fleet.settle(id)).toMatchObject({
      state: 'EVALUATING',
      updates: 4,
      refused: 0,
      selected: 5,
      aggregate: { sha256: expectedDigest(others), updates: 4, clipped: 2 },
    });
    expect((await fleet.doorbells()).slice(5)).toEqual(evaluators);
    const [judge = ''] = evaluators;
    const task = await fleet.services.participations.taskOf(judge);
    expect(task).toMatchObject({ part: 'evaluate', update: expectedDigest(others) });
    await fleet.sendEvaluation(id, judge, 83);
    const ended = await fleet.settle(id);
    expect(ended).toMatchObject({
      state: 'COMMITTED',
      deadlineAt: null,
      candidate: null,
      evaluation: { devices: 1, samples: 100, base: { correct: 80 }, candidate: { correct: 83 } },
    });
    expect(ended.endedAt).not.toBeNull();
    expect(ended.participants.find(({ deviceId }) => deviceId === first)).toMatchObject({
      state: 'DECLINED',
      reason: 'samples-gone: it was emptied',
    });
    expect(ended.history.at(-1)?.message).toBe(
      'deleted the 4 updates that devices had sent; their digests, lengths and sample counts are kept',
    );
    expect(
      await t.query(
        'select count(*)::integer as kept, count(update)::integer as updates from round_participant where sha256 is not null',
      ),
    ).toEqual([{ kept: 4, updates: 0 }]);
    const candidate = await fleet.services.rounds.candidate(id);
    expect(candidate).toMatchObject({ round: id, release: 'grey@1.0.0', features: 6, classes: 3, base: FP32.base });
    expect(Buffer.from(candidate.update, 'base64')).toHaveLength(4 * 21);
  });

  it('abandons what evaluates worse than the base, and has no candidate then', async () => {
    await fleet.addDevices(5);
    const { id, trainers, evaluators } = await fleet.begin();
    for (const device of trainers) await fleet.sendUpdate(id, device);
    await fleet.settle(id);
    await fleet.sendEvaluation(id, evaluators[0] ?? '', 79);
    expect(await fleet.settle(id)).toMatchObject({ state: 'ABANDONED', evaluation: { candidate: { correct: 79 } } });
    await expect(fleet.services.rounds.candidate(id)).rejects.toMatchObject({ code: 'round-not-committed' });
  });

  it('closes at its deadline when 30 % of the devices stay silent', async () => {
    await fleet.addDevices(11);
    const conductor = new RoundConductor(fleet.services.database, fleet.services.roundApplier, t.log);
    conductor.start();
    const { id } = await fleet.services.rounds.create(fleet.spec({ goal: 10, collectFor: 4 }));
    const collecting = await until('collecting', 10, async () => {
      const round = await fleet.services.rounds.show(id);
      return round.state === 'COLLECTING' ? round : undefined;
    });
    const trainers = collecting.participants.filter(({ part }) => part === 'train').map(({ deviceId }) => deviceId);
    for (const device of trainers.slice(0, 7)) await fleet.sendUpdate(id, device);
    const evaluating = await until('evaluating', 10, async () => {
      const round = await fleet.services.rounds.show(id);
      return round.state === 'EVALUATING' ? round : undefined;
    });
    await conductor.stop();
    const closedAt = evaluating.history.find(({ message }) => message.startsWith('AGGREGATING'))?.at ?? 0;
    expect(Math.abs(closedAt - (collecting.deadlineAt ?? 0))).toBeLessThan(1000);
    expect(evaluating.aggregate).toMatchObject({ updates: 7, sha256: expectedDigest(trainers.slice(0, 7)) });
    expect(evaluating.participants.filter(({ state }) => state === 'SILENT')).toHaveLength(3);
    const [late = ''] = trainers.slice(7);
    await expect(fleet.sendUpdate(id, late)).rejects.toMatchObject({ code: 'round-not-now', status: 409 });
  });

  it('ends by the clock alone when nobody is there, nobody answers, or nobody judges', async () => {
    const conductor = new RoundConductor(fleet.services.database, fleet.services.roundApplier, t.log);
    conductor.start();
    const ended = (id: string) =>
      until('the end', 15, async () => {
        const round = await fleet.services.rounds.show(id);
        return round.endedAt === null ? undefined : round;
      });
    await fleet.addDevices(5, { presence: 'offline' });
    const spec = { selectFor: 1, collectFor: 1, evaluateFor: 1 };
    const alone = await ended((await fleet.services.rounds.create(fleet.spec(spec))).id);
    expect(alone).toMatchObject({ state: 'ABANDONED', reason: expect.stringContaining('5 devices offline') });
    await t.query(`update device set presence = 'online'`);
    const silent = await ended((await fleet.services.rounds.create(fleet.spec(spec))).id);
    expect(silent).toMatchObject({ state: 'ABANDONED', reason: expect.stringContaining('0 came') });
    const { id } = await fleet.services.rounds.create(fleet.spec(spec));
    const asked = await until('collecting', 5, async () => {
      const { state, participants } = await fleet.services.rounds.show(id);
      return state === 'COLLECTING' ? participants.filter(({ part }) => part === 'train') : undefined;
    });
    for (const { deviceId } of asked) await fleet.sendUpdate(id, deviceId);
    expect(await ended(id)).toMatchObject({
      state: 'ABANDONED',
      reason: expect.stringContaining('no device has evaluated'),
    });
    await conductor.stop();
  });

  it('takes a device into one round at a time', async () => {
    await fleet.publish('other@1.0.0', [FP32]);
    await fleet.addDevices(8);
    const { id, trainers, evaluators } = await fleet.begin({ goal: 4 });
    const other = fleet.spec({ release: 'other@1.0.0', goal: 2 });
    expect(await fleet.services.rounds.preview(other)).toMatchObject({
      eligible: 3,
      words: ['5 devices in another round'],
    });
    const second = await fleet.begin(other);
    expect(second.trainers.length + second.evaluators.length).toBe(3);
    expect([...trainers, ...evaluators]).not.toEqual(expect.arrayContaining([second.trainers[0]]));
    await fleet.services.rounds.abandon(id);
    expect((await fleet.services.rounds.preview(fleet.spec())).eligible).toBe(5);
  });

  it('is abandoned by a person while it collects, once', async () => {
    await fleet.addDevices(5);
    const { id, trainers } = await fleet.begin();
    await fleet.sendUpdate(id, trainers[0] ?? '');
    expect(await fleet.services.rounds.abandon(id)).toMatchObject({
      state: 'ABANDONED',
      reason: 'abandoned by a person',
    });
    await expect(fleet.services.rounds.abandon(id)).rejects.toMatchObject({
      code: 'round-command-refused',
      status: 409,
    });
    await expect(fleet.sendUpdate(id, trainers[1] ?? '')).rejects.toMatchObject({ code: 'round-ended', status: 409 });
    await expect(fleet.services.participations.taskOf(trainers[1] ?? '')).rejects.toMatchObject({ code: 'round-none' });
    expect(await t.query('select 1 from round_participant where update is not null')).toEqual([]);
  });

  it('knows the release that came out of it, and refuses one that says so wrongly', async () => {
    await fleet.addDevices(5);
    const { id, trainers, evaluators } = await fleet.begin();
    const lineage = {
      parent: 'grey@1.0.0',
      round: id,
      updateSha256: expectedDigest(trainers),
      devices: 4,
      samples: trainers.reduce((sum, device) => sum + 50 + Number(device.slice(2)), 0),
    };
    const publish = (more: object) => fleet.publish('grey@1.1.0', [FP32], { ...lineage, ...more });
    await expect(publish({})).rejects.toMatchObject({ code: 'lineage-uncommitted' });
    for (const device of trainers) await fleet.sendUpdate(id, device);
    await fleet.settle(id);
    await fleet.sendEvaluation(id, evaluators[0] ?? '', 90);
    expect((await fleet.settle(id)).state).toBe('COMMITTED');
    await expect(publish({ round: crypto.randomUUID() })).rejects.toMatchObject({ code: 'lineage-unknown' });
    await expect(publish({ parent: 'grey@0.9.0' })).rejects.toThrow('expected parent grey@1.0.0, got grey@0.9.0');
    await expect(publish({ updateSha256: 'f'.repeat(64) })).rejects.toMatchObject({ code: 'lineage-wrong' });
    await expect(publish({ devices: 5, samples: 1 })).rejects.toThrow(/devices 4, got 5; samples \d+, got 1/);
    expect((await fleet.services.releases.list({ limit: 10 })).items).toHaveLength(1);
    await publish({});
    expect(await fleet.services.rounds.show(id)).toMatchObject({ candidate: 'grey@1.1.0' });
    expect((await fleet.services.rounds.list({ limit: 10 })).items).toMatchObject([{ id, candidate: 'grey@1.1.0' }]);
  });
});
