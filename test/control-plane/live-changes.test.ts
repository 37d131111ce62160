import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Change, ChangeLog } from '../../apps/control-plane/src/features/live/change-log.ts';
import { formatPosition, parsePosition } from '../../apps/control-plane/src/features/live/change-position.ts';
import type { Sql } from '../../apps/control-plane/src/infra/database.ts';
import { TestDatabase } from '../support/test-database.ts';

let t: TestDatabase;
let log: ChangeLog;

beforeAll(async () => {
  t = await TestDatabase.start();
  log = new ChangeLog(t.database);
});
afterAll(() => t.stop());
afterEach(() => t.clear());

const change = (sql: Sql, ...ids: string[]) => sql.query(`select record_change('rounds', $1)`, [ids]);
const device = (id: string) =>
  t.query(
    `insert into device (id, name, facts, recipient, certificate_fingerprint, certificate_expires_at)
     values ($1, $1, '{}', 'age1', $1, now())`,
    [id],
  );
const told = async () =>
  (
    await t.query<{ topic: string; ids: string[] | null }>(
      'select topic, ids from change_event order by transaction_id, id',
    )
  ).map(({ topic, ids }) => [topic, ids]);
const onlyWhat = async (work: () => Promise<unknown>) => {
  await t.query('delete from change_event');
  await work();
  return told();
};

describe('the order of changes, with a real database', () => {
  it('tells nothing that an earlier transaction under way could still come before', async () => {
    const start = await log.end();
    const another = await t.another();
    await another.transaction(async (earlier) => {
      await change(earlier, 'earlier');
      await change(t.database, 'later');
      expect((await log.after(start)).changes).toEqual([]);
    });
    await another.stop();
    expect((await log.after(start)).changes.map(({ ids }) => ids)).toEqual([['earlier'], ['later']]);
  });

  it('tells each change once, however many transactions overlap and in whatever order they end', async () => {
    const start = await log.end();
    const written = new Set<string>();
    /** The transaction up to which there is something to read, once it is known. */
    let until: bigint | undefined;
    const writer = async (name: number): Promise<void> => {
      for (let round = 0; round < 40; round += 1) {
        const ids = Array.from({ length: 1 + (round % 3) }, (_, index) => `${name}/${round}/${index}`);
        const kept = round % 7 !== 0;
        const done = t.database.transaction(async (sql) => {
          for (const id of ids) {
            await change(sql, id);
            await wait(Math.random() * 12);
          }
          if (!kept) throw new Error('rolled back');
        });
        await done.catch(() => undefined);
        if (kept) for (const id of ids) written.add(id);
      }
    };
    const read: Change[] = [];
    const reader = async (): Promise<void> => {
      let position = start;
      while (until === undefined || position.transactionId <= until) {
        const page = await log.after(position);
        read.push(...page.changes);
        position = page.position;
        await wait(2);
      }
    };
    const reading = reader();
    await Promise.all(Array.from({ length: 8 }, (_, name) => writer(name)));
    const [last] = await t.query<{ id: string }>('select pg_current_xact_id()::text as id');
    until = BigInt(last?.id ?? 0);
    await reading;
    expect(read.flatMap(({ ids }) => ids ?? ['many']).sort()).toEqual([...written].sort());
    expect(written.size).toBeGreaterThan(400);
  });

  it('takes numbers as numbers: the tenth change of a transaction comes after the ninth', async () => {
    const start = await log.end();
    const ids = Array.from({ length: 12 }, (_, index) => `c-${index}`);
    await t.database.transaction(async (sql) => {
      for (const id of ids) await change(sql, id);
    });
    const { changes, position } = await log.after(start);
    expect(changes.map((each) => each.ids)).toEqual(ids.map((id) => [id]));
    expect((await log.after(position)).changes).toEqual([]);
  });

  it('keeps positions as they are written, and takes no others', () => {
    for (const text of ['7-0', '9223372036854775807-12']) {
      const position = parsePosition(text);
      expect(position && formatPosition(position)).toBe(text);
    }
    for (const text of ['', '7', '-', '7-', '-7', '7-8-9', '7 - 8', 'a-1', '1e3-1', '10000000000000000000-1'])
      expect(parsePosition(text), text).toBeUndefined();
  });

  it('lets whole transactions go after an hour, and says from where on nothing is missing', async () => {
    await change(t.database, 'old');
    await change(t.database, 'older than it says');
    await t.query(`update change_event set at = now() - interval '61 minutes'`);
    const [old] = (await log.after({ transactionId: 0n, id: 0n })).changes;
    if (old === undefined) throw new Error('nothing was told');
    const before = await log.end();
    await change(t.database, 'new');
    expect(await log.reachesBackTo(old.position)).toBe(true);
    await log.prune();
    expect(await told()).toEqual([['rounds', ['new']]]);
    expect(await log.reachesBackTo(old.position)).toBe(false);
    expect(await log.reachesBackTo(before)).toBe(true);
    expect((await log.after(before)).changes.map(({ ids }) => ids)).toEqual([['new']]);
    const { transactionId } = await log.end();
    expect(await log.reachesBackTo({ transactionId: transactionId + 1000n, id: 0n })).toBe(false);
  });

  it('forgets what a restored database says of a future', async () => {
    await t.query(`insert into change_event (transaction_id, topic, at) values ('9000000', 'rounds', now())`);
    await t.query(`insert into change_horizon (transaction_id) values ('9000000')`);
    await change(t.database, 'now');
    const end = await log.end();
    await log.prune();
    expect(await told()).toEqual([['rounds', ['now']]]);
    expect(await log.reachesBackTo(end)).toBe(true);
  });
});

describe('what is told as a change', () => {
  it('devices when something of them changed that is shown, and not when they are measured', async () => {
    expect(await onlyWhat(() => device('d-one'))).toEqual([['devices', ['d-one']]]);
    const quiet = [
      `insert into telemetry_position (device_id, epoch, seq) values ('d-one', 1, 0)`,
      `update telemetry_position set seq = 5, received_at = now()`,
      `insert into telemetry_batch (device_id, epoch, seq, payload) values ('d-one', 1, 1, '')`,
      `insert into field_metrics values ('d-one', 'm@1.0.0', now(), now(), 1, 0, 0, 0, 0, 0, 1, 'cpu', 'cpu')`,
      `insert into metrics_minute values ('d-one', 'm@1.0.0', now(), 1, 0, 0, 0, 0, 0, 1, 1)`,
      `insert into device_event (device_id, at, level, code, message) values ('d-one', now(), 'info', 'x', 'x')`,
      `update device set presence_session = 9, presence_at = now(), presence = presence`,
    ];
    for (const statement of quiet) expect(await onlyWhat(() => t.query(statement)), statement).toEqual([]);
    const shown = [
      `update device set presence = 'online'`,
      `update device set running_release = 'm@1.0.0'`,
      `update device set labels = '{"site":"lyon"}'`,
      `update device set name = 'press 4'`,
      `update device set profile = 'rpi5'`,
      `insert into learning_state values ('d-one', 'm@1.0.0', 'b', 'b', 3, '{"a":3}', now())`,
      `update learning_state set samples = 4`,
      `insert into assignment (device_id, sequence) values ('d-one', 1)`,
    ];
    for (const statement of shown)
      expect(await onlyWhat(() => t.query(statement)), statement).toEqual([['devices', ['d-one']]]);
    expect(await onlyWhat(() => t.query('update learning_state set at = now()'))).toEqual([]);
  });

  it('a board that asks to join and what becomes of it, and not that it asks again', async () => {
    const asks = `insert into joining_key (fingerprint, state, claimed_name, asked_at, expires_at)
      values ('k', 'PENDING', 'porch', now(), now() + interval '1 day')`;
    expect(await onlyWhat(() => t.query(asks))).toEqual([['joining-keys', ['k']]]);
    const asksAgain = `update joining_key set asked_at = now(), expires_at = now() + interval '1 day'`;
    expect(await onlyWhat(() => t.query(asksAgain))).toEqual([]);
    const approved = `update joining_key set state = 'ACCEPTED'`;
    expect(await onlyWhat(() => t.query(approved))).toEqual([['joining-keys', ['k']]]);
    await device('d-one');
    const joined = `update joining_key set device_id = 'd-one'`;
    expect(await onlyWhat(() => t.query(joined))).toEqual([['joining-keys', ['k']]]);
  });

  it('a transaction once for all that it does to a rollout, and many as many', async () => {
    const publish = `insert into release (name, model, version, release_counter, rollback_floor, publisher, statement)
      values ('m@1.0.0', 'm', '1.0.0', 1, 0, 'k', '{}')`;
    expect(await onlyWhat(() => t.query(publish))).toEqual([['releases', ['m@1.0.0']]]);
    for (let index = 0; index < 30; index += 1) await device(`d-${index}`);
    const id = '00000000-0000-4000-8000-000000000001';
    const rollout = async (sql: Sql) => {
      await sql.query(
        `insert into rollout (id, release, model, target, spec, state, bucket_offset)
         values ($1, 'm@1.0.0', 'm', '*', '{}', 'RUNNING', 0)`,
        [id],
      );
      await sql.query(
        `insert into wave (rollout_id, index, state, planned, strata) values ($1, 0, 'RUNNING', 30, '{}')`,
        [id],
      );
      await sql.query(
        `insert into execution (rollout_id, wave_index, device_id, kind, state, deadline_at)
         select $1, 0, id, 'install', 'QUEUED', now() from device`,
        [id],
      );
    };
    expect(await onlyWhat(() => t.database.transaction(rollout))).toEqual([['rollouts', [id]]]);
    const moves = async (sql: Sql) => {
      for (const state of ['NOTIFIED', 'DOWNLOADING', 'SUCCEEDED'])
        await sql.query('update execution set state = $1', [state]);
    };
    expect(await onlyWhat(() => t.database.transaction(moves))).toEqual([['rollouts', [id]]]);
    const [wave] = await t.query<{ counts: object }>('select json_object_agg(state, n) as counts from execution_count');
    expect(wave?.counts).toMatchObject({ SUCCEEDED: 30 });
    expect(await onlyWhat(() => t.query(`update wave set state = 'SOAKING'`))).toEqual([['rollouts', [id]]]);
    expect(await onlyWhat(() => t.query(`update device set name = 'all'`))).toEqual([['devices', null]]);
    const oneByOne = async (sql: Sql) => {
      for (let index = 0; index < 30; index += 1)
        await sql.query(`update device set name = 'again' where id = $1`, [`d-${index}`]);
    };
    const rows = await onlyWhat(() => t.database.transaction(oneByOne));
    expect(rows).toHaveLength(21);
    expect(rows.at(-1)).toEqual(['devices', null]);
  });
});
