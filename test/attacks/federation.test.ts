import { randomUUID } from 'node:crypto';
import { decodeHead, encodeHead, headSize } from '@aviary/federation';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TemporaryFolders } from '../../apps/agent/src/inference/testing/light-release.ts';
import { sha256Of } from '../../apps/agent/src/learning/round-work.ts';
import { openSampleStore } from '../../apps/agent/src/learning/sample-store.ts';
import { RoundServer } from '../../apps/agent/src/testing/round-server.ts';
import { identity } from '../../apps/agent/src/testing/sealed-release.ts';
import { supervisedDevices } from '../../apps/agent/src/testing/supervised-device.ts';
import { featuresOf, sealFolder, writeTrainableRelease } from '../../apps/agent/src/testing/trainable-release.ts';
import { FP32, LearningFleet, SHAPE, updateOf } from '../support/learning-fleet.ts';
import { TestDatabase } from '../support/test-database.ts';

const SAMPLES = 40;

describe('poisoned federated update', () => {
  describe('of a device, to the control plane', () => {
    let database: TestDatabase;
    let fleet: LearningFleet;
    beforeAll(async () => {
      database = await TestDatabase.start();
      fleet = await LearningFleet.open(database);
    });
    afterAll(async () => {
      await fleet.close();
      await database.stop();
    });
    beforeEach(async () => {
      await fleet.publish('grey@1.0.0', [FP32]);
      await fleet.addDevices(5);
    });
    afterEach(() => database.clear());

    const of = (value: number) => new Float32Array(headSize(SHAPE)).fill(value);

    it.each([
      ['update-norm', of(1e6)],
      ['update-not-finite', of(Number.NaN)],
      ['update-not-finite', of(Number.POSITIVE_INFINITY)],
    ])('is refused with %s, and the round goes on without it', async (code, values) => {
      const { id, trainers } = await fleet.begin({ goal: 4, minimum: 3 });
      const [liar = '', ...honest] = trainers;
      await expect(fleet.sendUpdate(id, liar, { values })).rejects.toMatchObject({ code });
      for (const device of honest) await fleet.sendUpdate(id, device);
      const { aggregate, refused } = await fleet.services.rounds.show(id);
      expect([aggregate, refused]).toEqual([null, 1]);
    });

    it('of a device that says to have a million samples does not outweigh the others', async () => {
      const { id, trainers, evaluators } = await fleet.begin({ goal: 4 });
      const [liar = '', ...honest] = trainers;
      const against = updateOf(1).map((value) => -value);
      await fleet.sendUpdate(id, liar, { values: against, samples: 1_000_000 });
      for (const device of honest) await fleet.sendUpdate(id, device, { values: updateOf(1), samples: 50 });
      await fleet.settle(id);
      const { bytes } = await fleet.services.participations.aggregateFor(evaluators[0] ?? '', id);
      const sum = decodeHead(bytes, SHAPE);
      expect(sum.reduce((product, value, index) => product + value * (updateOf(1)[index] ?? 0), 0)).toBeGreaterThan(0);
    });

    it('that is as long as is allowed pulls no further than any other', async () => {
      const { id, trainers, evaluators } = await fleet.begin({ goal: 4 });
      const [liar = '', ...honest] = trainers;
      await fleet.sendUpdate(id, liar, { values: of(1e4), samples: 50 });
      for (const device of honest) await fleet.sendUpdate(id, device, { values: updateOf(1), samples: 50 });
      const { aggregate } = await fleet.settle(id);
      const length = (values: Float32Array): number => Math.hypot(...values);
      expect(aggregate?.clipped).toBeGreaterThanOrEqual(1);
      expect(aggregate?.norm).toBeLessThanOrEqual(length(updateOf(1)) * 1.001);
      // Whoever did not train finds that it is worse, and nothing comes of it.
      await fleet.sendEvaluation(id, evaluators[0] ?? '', 60);
      expect(await fleet.settle(id)).toMatchObject({ state: 'ABANDONED', candidate: null });
    });
  });

  describe('of the control plane, to a device', () => {
    const folders = new TemporaryFolders();
    const { prepare, start, storingGateway, pki, onEnd } = supervisedDevices();
    afterAll(() => folders.remove());

    it('is judged as what it is, and changes nothing of what serves', async () => {
      const trainable = await writeTrainableRelease(folders.make());
      const sealed = await sealFolder(trainable);
      const { stateDirectory, options } = await prepare(sealed, { learnSamples: 2_000, pollSeconds: 0.3 });
      const { backbone, base, features } = trainable.training;
      const store = await (await openSampleStore(stateDirectory, identity, 2_000)).use({ digest: backbone, features });
      for (let n = 0; n < SAMPLES; n += 1) {
        const gray = (255 * n) / SAMPLES;
        const label = n < SAMPLES / 2 ? 'dark' : 'light';
        await store.append({ id: `p-${n}`, label, at: n, features: Float32Array.from(featuresOf(gray)) });
      }
      // Turns every answer round.
      const poison = Buffer.from(encodeHead(trainable.head.map((value) => -2 * value)));
      const server = new RoundServer();
      const deviceUrl = await server.start(pki());
      onEnd(() => server.stop());
      server.aggregate = poison;
      server.task = {
        round: randomUUID(),
        part: 'evaluate',
        release: trainable.manifest.release,
        ...{ backbone, base },
        training: { epochs: 1, batchSize: 8, learningRate: 0.1, seed: 1 },
        minSamples: 20,
        update: sha256Of(poison),
        deadlineAt: Date.now() + 60_000,
      };
      const { mqttUrl, records } = await storingGateway();
      await start(options, { deviceUrl, mqttUrl });
      await expect.poll(() => server.evaluations).toHaveLength(1);
      const [told] = server.evaluations;
      expect(told?.base.correct).toBeGreaterThan((9 / 10) * SAMPLES);
      expect(told?.candidate.correct).toBeLessThan((1 / 10) * SAMPLES);
      const seen = records().length;
      await expect.poll(() => records().length).toBeGreaterThan(seen + 1);
      const digests = records().flatMap((record) => ('digest' in record ? [record.digest] : []));
      expect(new Set(digests)).toEqual(new Set([sealed.held.digest]));
    });
  });
});
