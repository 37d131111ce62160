import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { exampleFacts } from '@aviary/hardware';
import { deviceFiguresSchema } from '@aviary/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ChangeLog } from '../../apps/control-plane/src/features/live/change-log.ts';
import type { Sql } from '../../apps/control-plane/src/infra/database.ts';
import { ApiProcess } from '../support/api-process.ts';
import { EventReader, type ReceivedEvent } from '../support/event-reader.ts';
import { TestDatabase } from '../support/test-database.ts';

let t: TestDatabase;
let one: ApiProcess;
let two: ApiProcess;
const readers = new Set<EventReader>();

beforeAll(async () => {
  t = await TestDatabase.start();
});
afterAll(() => t.stop());
beforeEach(async () => {
  [one, two] = await Promise.all([ApiProcess.start(t), ApiProcess.start(t)]);
});
afterEach(async () => {
  await Promise.all([...readers].map((reader) => reader.close()));
  readers.clear();
  await Promise.all([one.stop(), two.stop()]);
  await t.clear();
});

interface Place {
  readonly lastEventId?: string | undefined;
  readonly query?: string;
  readonly token?: string;
}

const reading = (api: ApiProcess, { lastEventId, query = '', token }: Place): Promise<EventReader> =>
  EventReader.open(`${api.url}/api/v1/events${query}`, {
    ...(token === undefined ? api.headers : { authorization: `Bearer ${token}` }),
    ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
  });

const open = async (api: ApiProcess, more: Place = {}): Promise<EventReader> => {
  const reader = await reading(api, more);
  readers.add(reader);
  await reader.next('hello', ({ event }) => event === 'hello');
  return reader;
};
const change = (sql: Sql, topic: string, ...ids: string[]) => sql.query('select record_change($1, $2)', [topic, ids]);
const names = (id: string) => (event: ReceivedEvent) =>
  event.event === 'change' && ((event.data as { ids: string[] | null }).ids?.includes(id) ?? false);
const idsOf = (events: readonly ReceivedEvent[]): string[] =>
  events
    .filter(({ event }) => event === 'change')
    .flatMap(({ data }) => (data as { ids: string[] | null }).ids ?? ['many']);

describe('event streams, with a real database over real HTTP', () => {
  it('say where the reader stands, and then what changes, whichever process it happens through', async () => {
    const reader = await open(one);
    expect(reader.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(reader.response.headers.get('cache-control')).toBe('no-store');
    expect(reader.events[0]).toMatchObject({ event: 'hello', data: {}, id: expect.stringMatching(/^\d+-0$/) });
    await change(two.services.database, 'rollouts', 'r-1');
    expect(await reader.next('the change', names('r-1'))).toEqual({
      event: 'change',
      data: { topic: 'rollouts', ids: ['r-1'] },
      id: expect.stringMatching(/^\d+-\d+$/),
    });
    // Devices are not notified, but found by the poll.
    await change(two.services.database, 'devices', 'd-1');
    await reader.next('the change of a device', names('d-1'));
  });

  it('ask for the proof that every other route asks for', async () => {
    expect((await fetch(`${one.url}/api/v1/events`)).status).toBe(401);
    const missing = await fetch(`${one.url}/api/v1/events?device=d-nobody`, { headers: one.headers });
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ code: 'device-unknown' });
  });

  it('merge the changes of one moment by their topic, and give the last message alone an id', async () => {
    const reader = await open(one);
    await t.database.transaction(async (sql) => {
      for (const id of ['a', 'b', 'a']) await change(sql, 'rollouts', id);
      await change(sql, 'releases', 'm@1.0.0');
      await change(sql, 'rollouts', 'c');
    });
    await reader.next('the change', names('m@1.0.0'));
    expect(reader.events.slice(1)).toEqual([
      { event: 'change', data: { topic: 'rollouts', ids: ['a', 'b', 'c'] }, id: undefined },
      { event: 'change', data: { topic: 'releases', ids: ['m@1.0.0'] }, id: expect.any(String) },
    ]);
    await t.query(`select record_change('rounds', array_agg(n::text)) from generate_series(1, 25) as n`);
    await reader.next('many', ({ data }) => JSON.stringify(data) === '{"topic":"rounds","ids":null}');
  });

  it('lose and repeat nothing for a reader that goes away and comes back, to whichever process, while transactions overlap', async () => {
    const written: string[] = [];
    let writing = true;
    const writer = async (name: number): Promise<void> => {
      for (let round = 0; round < 25; round += 1) {
        const id = `${name}/${round}`;
        await t.database.transaction(async (sql) => {
          await change(sql, 'rounds', id);
          await wait(20 + Math.random() * 150);
        });
        written.push(id);
      }
    };
    const received: ReceivedEvent[] = [];
    let visits = 0;
    const visitor = async (lastEventId: string): Promise<void> => {
      let position: string | undefined = lastEventId;
      for (; writing || visits % 5 !== 0; visits += 1) {
        const reader = await reading(visits % 2 === 0 ? one : two, { lastEventId: position });
        await wait(Math.random() * 300);
        await reader.close();
        received.push(...reader.events);
        position = reader.lastEventId ?? position;
      }
      const last = await reading(one, { lastEventId: position });
      await wait(1_500);
      await last.close();
      received.push(...last.events);
    };
    const { lastEventId } = await open(one);
    const visiting = visitor(lastEventId ?? '');
    await Promise.all([writer(1), writer(2), writer(3), writer(4)]);
    writing = false;
    await visiting;
    expect(visits).toBeGreaterThan(10);
    expect(received.filter(({ event }) => event === 'reset')).toEqual([]);
    expect(idsOf(received).sort()).toEqual(written.sort());
  });

  it('tell a reader that asks for what is gone to begin anew', async () => {
    const first = await open(one);
    await change(t.database, 'rounds', 'old');
    await first.next('the change', names('old'));
    await t.query(`update change_event set at = now() - interval '2 hours'`);
    await new ChangeLog(t.database).prune();
    await change(t.database, 'rounds', 'new');
    for (const lastEventId of [first.lastEventId, 'nonsense', '99999999999999-1', "1-1'; drop table device"]) {
      const reader = await open(two, { lastEventId });
      await reader.next('reset', ({ event }) => event === 'reset');
      expect(reader.events.map(({ event }) => event)).toEqual(['hello', 'reset']);
      expect(reader.lastEventId).toMatch(/^\d+-0$/);
      await change(t.database, 'rounds', `after ${lastEventId}`);
      await reader.next('what comes after', names(`after ${lastEventId}`));
      expect(idsOf(reader.events)).not.toContain('new');
    }
  });

  it('carry the figures of the device that was asked for, whenever something new of it was stored', async () => {
    for (const id of ['d-one', 'd-two']) {
      await t.query(
        `insert into device (id, name, facts, recipient, certificate_fingerprint, certificate_expires_at, running_release)
         values ($1, $1, $2, 'age1', $1, now(), 'm@1.0.0')`,
        [id, JSON.stringify(exampleFacts('rpi4'))],
      );
      await t.query('insert into telemetry_position (device_id, epoch, seq, received_at) values ($1, 1, 1, now())', [
        id,
      ]);
    }
    const report = (id: string, release: string, frames: number) =>
      t.query(
        `with moved as (update telemetry_position set received_at = clock_timestamp() where device_id = $1)
         insert into field_metrics values ($1, $2, now(), now(), $3, 1, 2, 3, 4, 3, 7.5, 'cpu', 'cpu', '{"load1": 0.5}')
         on conflict (device_id, release) do update set frames = excluded.frames, updated_at = now()`,
        [id, release, frames],
      );
    const figures = ({ events }: EventReader) =>
      events.filter(({ event }) => event === 'device').map(({ data }) => deviceFiguresSchema.parse(data));
    const [a, b] = [await open(one, { query: '?device=d-one' }), await open(one, { query: '?device=d-two' })];
    await report('d-one', 'm@1.0.0', 10);
    await a.next('figures', ({ event }) => event === 'device');
    expect(figures(a)).toEqual([
      {
        deviceId: 'd-one',
        at: expect.any(Number),
        release: 'm@1.0.0',
        frames: 10,
        dropped: 1,
        errors: 2,
        lowConfidence: 3,
        labelled: 4,
        correct: 3,
        latencyP95Ms: 7.5,
        board: { load1: 0.5 },
      },
    ]);
    // A release that is only on trial does not take the place of the one that serves.
    await report('d-one', 'm@2.0.0', 3);
    await report('d-one', 'm@1.0.0', 20);
    await a.next(
      'newer figures',
      ({ event, data }) => event === 'device' && (data as { frames: number }).frames === 20,
    );
    expect(figures(a).every(({ release }) => release === 'm@1.0.0')).toBe(true);
    expect(a.events.find(({ event }) => event === 'device')?.id).toBeUndefined();
    expect(figures(b)).toEqual([]);
  });

  it('end for a reader that does not read, and for nobody else', async () => {
    const slow = connect({ host: '127.0.0.1', port: one.port });
    await once(slow, 'connect');
    slow.write(`GET /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: ${one.headers.authorization}\r\n\r\n`);
    slow.pause();
    const other = await open(one);
    const size = 100_000;
    let count = 0;
    // Until the buffers of both ends' kernels are full, too.
    for (; count < 150; count += 1) {
      const id = `${count}/${'x'.repeat(size)}`;
      await change(t.database, 'rounds', id);
      await other.next('the change', names(id));
      other.events.length = 0;
    }
    const got = await readToEnd(slow);
    expect(got.length).toBeLessThan(count * size);
    expect(got).toContain('"0/xxx');
    expect(got).not.toContain(`"${count - 1}/xxx`);
    await change(t.database, 'rounds', 'after');
    await other.next('what comes after', names('after'));
  });

  it('end at once when the process stops, also those that nobody reads', async () => {
    const streams = await Promise.all(Array.from({ length: 8 }, () => open(one)));
    const stuck = connect({ host: '127.0.0.1', port: one.port });
    await once(stuck, 'connect');
    stuck.write(`GET /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: ${one.headers.authorization}\r\n\r\n`);
    stuck.pause();
    await wait(200);
    const from = performance.now();
    await one.stopServing();
    // Connections that stay open are cut after five seconds.
    expect(performance.now() - from).toBeLessThan(2_000);
    await Promise.all(streams.map(({ ended }) => ended));
    stuck.destroy();
    const [{ lastEventId } = { lastEventId: undefined }] = streams;
    await change(t.database, 'rounds', 'meanwhile');
    const again = await open(two, { lastEventId });
    await again.next('what happened meanwhile', names('meanwhile'));
  });

  it('go on when the database has ended their connections', async () => {
    const reader = await open(one);
    while ((await t.kill('listen changes')) === 0) await wait(20);
    await change(t.database, 'rounds', 'after');
    await reader.next('the change', names('after'));
  });

  it('end when what let their reader in does not hold any more', async () => {
    const { id, token } = await one.client.createToken({ body: { name: 'wall', role: 'viewer', ttlSeconds: 3600 } });
    const [reader, other] = [await open(one, { token }), await open(one)];
    await one.services.live.checkProofs();
    await change(t.database, 'rounds', 'before');
    await reader.next('the change', names('before'));
    await one.client.revokeToken({ params: { id } });
    await one.services.live.checkProofs();
    await reader.ended;
    await change(t.database, 'rounds', 'after');
    await other.next('the change', names('after'));
    expect(idsOf(reader.events)).toEqual(['before']);
  });
});

const readToEnd = async (socket: Socket): Promise<string> => {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {});
  const closed = once(socket, 'close');
  socket.resume();
  await closed;
  return Buffer.concat(chunks).toString();
};
