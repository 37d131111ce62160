import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Aggregation, decodeHead, encodeHead } from '@aviary/federation';
import type { RoundDetail } from '@aviary/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspect } from '../../apps/cli/src/demo/inspector.ts';
import { TestFleet, until } from '../support/test-fleet.ts';

const PICTURES = 20;
const SHAPE = { features: 2, classes: 2 };
/** Long enough to be killed in. */
const TRAINING = { epochs: 1000, batchSize: 1, learningRate: 0.001 };
const NAMES = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'];

interface UpdateRow {
  readonly deviceId: string;
  readonly samples: number;
  readonly norm: number;
  readonly update: Buffer;
}

describe('a federated round, with processes that die', () => {
  let fleet: TestFleet;

  beforeAll(async () => {
    fleet = await TestFleet.start();
    await Promise.all(NAMES.map((name) => fleet.addDevice(name, 'rpi4', true)));
    await fleet.push({ version: '1.0.0', manner: 'sure', trainable: true });
    expect((await fleet.ended(await fleet.rollOut('1.0.0'), 120)).state).toBe('FINISHED');
    const [, ...lines] = (await readFile(join(fleet.directory, 'one', 'pictures', 'labels.csv'), 'utf8'))
      .trim()
      .split('\n');
    const answers = new Map(lines.map((line) => line.split(',') as [string, string]));
    const patience = AbortSignal.timeout(60_000);
    await Promise.all(NAMES.map((name) => inspect(fleet.socketOf(name), answers, PICTURES, patience)));
    await until('samples on every device', 30, async () => {
      const devices = await fleet.devices();
      return devices.every(({ learning }) => learning?.samples === PICTURES) ? true : undefined;
    });
  }, 240_000);
  afterAll(() => fleet.stop());

  const show = (id: string): Promise<RoundDetail> => fleet.client.showRound({ params: { id } });
  const reached = (id: string, what: string, right: (round: RoundDetail) => boolean) =>
    until(`${what} of round ${id}`, 60, async () => {
      const round = await show(id);
      return right(round) ? round : undefined;
    });
  const begin = async (more: { goal: number; evaluators: number; collectFor: number; minimum?: number }) => {
    const { id } = await fleet.client.createRound({
      body: {
        release: 'grey@1.0.0',
        minSamples: PICTURES,
        overSelection: 1,
        selectFor: 30,
        training: TRAINING,
        ...more,
      },
    });
    return reached(id, 'the selection', ({ state }) => state === 'COLLECTING');
  };
  const pidOf = (deviceName: string): number => fleet.agents.get(deviceName)?.pid ?? 0;

  it('closes at its deadline, to a second, when a third of its devices say nothing', async () => {
    const { id, deadlineAt, participants } = await begin({ goal: 6, minimum: 3, evaluators: 2, collectFor: 20 });
    const silent = participants.filter(({ part }) => part === 'train').slice(0, 2);
    for (const { deviceName } of silent) process.kill(pidOf(deviceName), 'SIGSTOP');
    try {
      const closed = await until('the end of collecting', 60, async () => {
        const round = await show(id);
        return round.state === 'COLLECTING' ? undefined : { at: Date.now(), round };
      });
      expect(closed.round.updates).toBe(4);
      expect(Math.abs(closed.at - (deadlineAt ?? 0))).toBeLessThanOrEqual(1_000);
      const ended = await reached(id, 'the end', ({ endedAt }) => endedAt !== null);
      expect(ended.state).toBe('COMMITTED');
      const states = Object.fromEntries(ended.participants.map(({ deviceId, state }) => [deviceId, state]));
      for (const { deviceId } of silent) expect(states[deviceId]).toBe('SILENT');
    } finally {
      for (const { deviceName } of silent) process.kill(pidOf(deviceName), 'SIGCONT');
    }
  }, 120_000);

  it('ends whole when conductor, gateway and an agent are killed while it collects and aggregates', async () => {
    // The database takes its time over the end of aggregation, so that the conductor dies in the middle of it. Its
    // updates are kept for us to add up again.
    await fleet.query(`
      create table kept_update as select round_id, device_id, samples, norm, update from round_participant where false;
      create function linger() returns trigger language plpgsql as $$
      begin
        insert into kept_update select round_id, device_id, samples, norm, update from round_participant
          where round_id = new.id and part = 'train' and state = 'REPORTED';
        perform pg_sleep(2);
        return new;
      end $$;
      create trigger linger before update on federated_round for each row
        when (old.state = 'AGGREGATING' and new.state = 'EVALUATING') execute function linger()`);
    const { id, participants } = await begin({ goal: 6, evaluators: 2, collectFor: 90 });
    const victim = participants.find(({ part }) => part === 'train');
    process.kill(pidOf(victim?.deviceName ?? ''), 'SIGKILL');
    process.kill(await fleet.pidOf('conductor'), 'SIGKILL');
    process.kill(await fleet.pidOf('gateway'), 'SIGKILL');
    fleet.startAgent(victim?.deviceName ?? '');
    await reached(id, 'the aggregation', ({ state }) => state === 'AGGREGATING');
    const before = await fleet.pidOf('conductor');
    process.kill(before, 'SIGKILL');
    const ended = await reached(id, 'the end', ({ endedAt }) => endedAt !== null);
    expect(await fleet.pidOf('conductor')).not.toBe(before);

    expect(ended.state).toBe('COMMITTED');
    const trained = ended.participants.filter(({ part, state }) => part === 'train' && state === 'REPORTED');
    expect(trained.map(({ deviceId }) => deviceId)).toContain(victim?.deviceId);
    expect(ended.aggregate).toMatchObject({ updates: trained.length, samples: trained.length * PICTURES });
    expect(new Set(ended.participants.map(({ deviceId }) => deviceId)).size).toBe(ended.participants.length);

    const rows = await fleet.query<UpdateRow>(
      `select distinct device_id as "deviceId", samples, norm, update from kept_update where round_id = '${id}'`,
    );
    expect(rows.length).toBe(trained.length);
    const aggregation = new Aggregation(rows, null);
    for (const deviceId of aggregation.order) {
      const bytes = rows.find((row) => row.deviceId === deviceId)?.update ?? Buffer.alloc(0);
      aggregation.add(deviceId, decodeHead(bytes, SHAPE));
    }
    const digest = createHash('sha256').update(encodeHead(aggregation.finish().values)).digest('hex');
    expect(digest).toBe(ended.aggregate?.sha256);
    expect(await fleet.holes()).toEqual([]);
  }, 180_000);
});
