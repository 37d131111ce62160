import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeHead } from '@aviary/federation';
import { exampleFacts } from '@aviary/hardware';
import type { RoundTask } from '@aviary/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Identity, loadIdentity } from '../../apps/agent/src/identity/identity.ts';
import { joinFleet } from '../../apps/agent/src/identity/join.ts';
import { closeWithin, startDevicePlane } from '../../apps/control-plane/src/roles/http-servers.ts';
import { FP32, LearningFleet, updateOf } from '../support/learning-fleet.ts';
import { TestDatabase } from '../support/test-database.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

interface HttpAnswer {
  readonly status: number;
  readonly bytes: Buffer;
  readonly json: { readonly code?: string; readonly detail?: string };
}

describe('a device’s part in a round, over HTTPS with its certificate', () => {
  let t: TestDatabase;
  let fleet: LearningFleet;
  let folder: string;
  let plane: Awaited<ReturnType<typeof startDevicePlane>>;
  let url: string;
  const identities: Identity[] = [];

  beforeAll(async () => {
    t = await TestDatabase.start();
    fleet = await LearningFleet.open(t);
    folder = await mkdtemp(join(tmpdir(), 'aviary-devices-'));
    const { ca } = fleet.services;
    plane = await startDevicePlane(fleet.services, await ca.issueServer(['127.0.0.1']), t.log, {
      host: '127.0.0.1',
      port: 0,
    });
    const address = plane.getHttpServer().address();
    url = `https://127.0.0.1:${typeof address === 'object' ? address?.port : address}`;
  });
  afterAll(async () => {
    await closeWithin(plane);
    await fleet.close();
    await t.stop();
    await rm(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    await fleet.publish('grey@1.0.0');
    identities.length = 0;
    for (let number = 0; number < 4; number += 1) {
      const { secret } = await fleet.services.joinTokens.create({ labels: {}, ttlSeconds: 60 });
      const state = await mkdtemp(join(folder, 'state-'));
      const token = { url, caFingerprint: fleet.services.ca.fingerprint, secret };
      await joinFleet(state, token, { name: `device ${number}`, facts: exampleFacts('rpi4') });
      identities.push(await loadIdentity(state));
    }
    await fleet.learn(identities.map(({ deviceId }) => deviceId));
    await t.query(`update device set presence = 'online'`);
  });
  afterEach(() => t.clear());

  const identityOf = (deviceId: string | undefined): Identity => {
    const found = identities.find((one) => one.deviceId === deviceId);
    if (found === undefined) throw new Error(`nobody joined as ${deviceId}`);
    return found;
  };

  const call = (
    { key, certificate, fleetCa }: Pick<Identity, 'fleetCa'> & Partial<Identity>,
    method: string,
    path: string,
    body?: { type: string; bytes: Uint8Array | string },
  ): Promise<HttpAnswer> =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': body.type };
      const options = { method, ca: fleetCa, ...(key && certificate ? { key, cert: certificate } : {}), headers };
      const asked = request(`${url}/device/v1${path}`, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const bytes = Buffer.concat(chunks);
          const isJson = response.headers['content-type']?.includes('json') === true;
          resolve({ status: response.statusCode ?? 0, bytes, json: isJson ? JSON.parse(bytes.toString()) : {} });
        });
      });
      asked.once('error', reject);
      asked.end(body?.bytes);
    });

  const getTask = async (identity: Identity): Promise<RoundTask> => {
    const { status, bytes } = await call(identity, 'GET', '/round');
    expect(status).toBe(200);
    return JSON.parse(bytes.toString());
  };

  const put = (identity: Identity, id: string, bytes: Uint8Array, said: Record<string, string | number> = {}) => {
    const query = new URLSearchParams({ base: FP32.base, sha256: sha256(bytes), samples: '60', loss: '0.4' });
    for (const [name, value] of Object.entries(said)) query.set(name, String(value));
    return call(identity, 'PUT', `/rounds/${id}/update?${query}`, { type: 'application/octet-stream', bytes });
  };

  const participant = async (id: string, deviceId: string) =>
    (await fleet.services.rounds.show(id)).participants.find((one) => one.deviceId === deviceId);

  it('carries a whole round: task, update, aggregate, evaluation', async () => {
    const { id, trainers, evaluators } = await fleet.begin({ goal: 3 });
    for (const [index, deviceId] of trainers.entries()) {
      const identity = identityOf(deviceId);
      expect(await getTask(identity)).toMatchObject({ round: id, part: 'train', base: FP32.base, update: null });
      expect((await participant(id, deviceId))?.state).toBe('WORKING');
      expect((await put(identity, id, encodeHead(updateOf(index)))).status).toBe(204);
      expect(await call(identity, 'GET', '/round')).toMatchObject({ status: 404, json: { code: 'round-none' } });
    }
    expect((await fleet.settle(id)).state).toBe('EVALUATING');
    const judge = identityOf(evaluators[0]);
    const { part, update } = await getTask(judge);
    const aggregate = await call(judge, 'GET', `/rounds/${id}/aggregate`);
    expect([part, update, aggregate.status, aggregate.bytes.length]).toEqual([
      'evaluate',
      sha256(aggregate.bytes),
      200,
      encodeHead(updateOf(0)).length,
    ]);
    const trainer = identityOf(trainers[0]);
    expect((await call(trainer, 'GET', `/rounds/${id}/aggregate`)).json.code).toBe('round-not-selected');
    const report = { samples: 40, base: { correct: 30, loss: 1 }, candidate: { correct: 31, loss: 0.9 } };
    const evaluate = (body: object) =>
      call(judge, 'POST', `/rounds/${id}/evaluation`, { type: 'application/json', bytes: JSON.stringify(body) });
    expect((await evaluate({ ...report, update })).status).toBe(204);
    expect((await evaluate({ ...report, update })).status).toBe(204);
    expect(await evaluate({ ...report, samples: 41, update })).toMatchObject({
      status: 409,
      json: { code: 'evaluation-exists' },
    });
    expect(await fleet.settle(id)).toMatchObject({ state: 'COMMITTED', evaluation: { samples: 40, devices: 1 } });
    expect((await put(trainer, id, encodeHead(updateOf(9)))).json.code).toBe('update-exists');
  });

  it('answers the same update as before, refuses another one, and counts the first', async () => {
    const { id, trainers } = await fleet.begin({ goal: 3 });
    const identity = identityOf(trainers[0]);
    const bytes = encodeHead(updateOf(1));
    const answers = await Promise.all([1, 2, 3].map(() => put(identity, id, bytes)));
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204]);
    expect(await put(identity, id, encodeHead(updateOf(2)))).toMatchObject({
      status: 409,
      json: { code: 'update-exists' },
    });
    expect(await fleet.services.rounds.show(id)).toMatchObject({ updates: 1, refused: 0 });
    expect(await t.query('select sha256 from round_participant where sha256 is not null')).toEqual([
      { sha256: sha256(bytes) },
    ]);
  });

  const wrongPlace = () => {
    const values = updateOf(1);
    values[7] = Number.NaN;
    return encodeHead(values);
  };

  it.each([
    ['NaN', 'update-not-finite', wrongPlace(), {}, /got NaN as value 8/],
    ['a shorter update', 'update-length', encodeHead(updateOf(1, 20)), {}, /Expected 84 bytes.*got 80/],
    ['a longer update', 'update-length', encodeHead(updateOf(1, 500_000)), {}, /Expected 84 bytes.*got 2000000/],
    ['another base', 'update-stale', encodeHead(updateOf(1)), { base: 'b'.repeat(64) }, /got one of bbbbbbbbbbbb/],
    ['too few samples', 'update-samples', encodeHead(updateOf(1)), { samples: 3 }, /Expected 50 to .* got 3/],
  ])('refuses %s with the reason, which stays to be seen', async (_, code, bytes, said, words) => {
    const { id, trainers } = await fleet.begin({ goal: 3 });
    const identity = identityOf(trainers[0]);
    const refused = await put(identity, id, bytes, said);
    expect(refused).toMatchObject({ status: 400, json: { code } });
    expect(refused.json.detail).toMatch(words);
    const shown = await participant(id, identity.deviceId);
    expect(shown).toMatchObject({ state: 'REFUSED', norm: null, reason: expect.stringMatching(words) });
    expect(shown?.reason).toContain(code);
    expect(await t.query('select 1 from round_participant where update is not null')).toEqual([]);
    // One try: a device that was refused does not look for what gets through.
    expect(await put(identity, id, encodeHead(updateOf(1)))).toMatchObject({
      status: 409,
      json: { code: 'round-answered' },
    });
    expect(await fleet.services.rounds.show(id)).toMatchObject({ state: 'COLLECTING', updates: 0, refused: 1 });
  });

  it('asks again for bytes that changed on the way, and holds nothing against the device', async () => {
    const { id, trainers } = await fleet.begin({ goal: 3 });
    const identity = identityOf(trainers[0]);
    const bytes = encodeHead(updateOf(1));
    const cut = await put(identity, id, bytes.subarray(0, 40), { sha256: sha256(bytes) });
    expect(cut).toMatchObject({ status: 400, json: { code: 'update-digest' } });
    expect((await put(identity, id, bytes)).status).toBe(204);
  });

  it('has no ear for who was not selected, for unknown rounds, and for who shows no certificate', async () => {
    const { id, evaluators, trainers } = await fleet.begin({ goal: 2 });
    const bytes = encodeHead(updateOf(1));
    const selected = [...trainers, ...evaluators];
    const outsider = identities.find(({ deviceId }) => !selected.includes(deviceId));
    expect(await put(identityOf(outsider?.deviceId), id, bytes)).toMatchObject({
      status: 403,
      json: { code: 'round-not-selected', detail: expect.stringContaining('no part in it') },
    });
    expect(await put(identityOf(evaluators[0]), id, bytes)).toMatchObject({
      status: 403,
      json: { code: 'round-not-selected' },
    });
    const trainer = identityOf(trainers[0]);
    expect((await put(trainer, crypto.randomUUID(), bytes)).json.code).toBe('round-unknown');
    expect((await put(trainer, 'no-uuid', bytes)).json.code).toBe('request-invalid');
    expect(await call({ fleetCa: trainer.fleetCa }, 'GET', '/round')).toMatchObject({
      status: 401,
      json: { code: 'certificate-missing' },
    });
    expect(await fleet.services.rounds.show(id)).toMatchObject({ updates: 0, refused: 0 });
  });

  it('refuses what comes for a round that has ended, and a late device’s no', async () => {
    const { id, trainers } = await fleet.begin({ goal: 3 });
    await fleet.services.rounds.abandon(id);
    const identity = identityOf(trainers[0]);
    expect(await put(identity, id, encodeHead(updateOf(1)))).toMatchObject({
      status: 409,
      json: { code: 'round-ended', detail: expect.stringContaining('ABANDONED') },
    });
    const no = { type: 'application/json', bytes: JSON.stringify({ code: 'busy', reason: 'it is hot' }) };
    expect(await call(identity, 'POST', `/rounds/${id}/decline`, no)).toMatchObject({
      status: 409,
      json: { code: 'round-answered' },
    });
    expect((await participant(id, identity.deviceId))?.state).toBe('SILENT');
  });

  it('refuses an evaluation of another update, and one that contradicts itself', async () => {
    const { id, trainers, evaluators } = await fleet.begin({ goal: 2, evaluators: 2 });
    for (const [index, deviceId] of trainers.entries())
      await put(identityOf(deviceId), id, encodeHead(updateOf(index)));
    await fleet.settle(id);
    const evaluate = (deviceId: string | undefined, more: object) => {
      const heads = { base: { correct: 30, loss: 1 }, candidate: { correct: 31, loss: 0.9 } };
      const bytes = JSON.stringify({ samples: 40, ...heads, ...more });
      return call(identityOf(deviceId), 'POST', `/rounds/${id}/evaluation`, { type: 'application/json', bytes });
    };
    const { update } = await getTask(identityOf(evaluators[0]));
    expect((await evaluate(evaluators[0], { update: 'e'.repeat(64) })).json.code).toBe('evaluation-stale');
    expect((await evaluate(evaluators[1], { update, samples: 30 })).json.code).toBe('evaluation-impossible');
    expect(await fleet.settle(id)).toMatchObject({
      state: 'ABANDONED',
      refused: 2,
      reason: expect.stringContaining('no device has evaluated'),
    });
  });
});
