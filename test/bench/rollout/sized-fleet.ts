import { join } from 'node:path';
import { readConfig } from '../../../apps/control-plane/dist/config.js';
import { createLogger } from '../../../apps/control-plane/dist/infra/log.js';
import { openServices, type Services } from '../../../apps/control-plane/dist/roles/services.js';
import { insertFleet, insertRelease, variantRow } from '../../support/rows.ts';

export const RELEASE = 'meter@2.0.0';
const BEFORE = 'meter@1.0.0';
const PROFILES = ['rpi4', 'rpi5', 'rpi5-hailo8l', 'jetson-orin-nano'];
const VARIANT = variantRow('meter', '2.0.0', PROFILES, 1_000_000);

/** Of executions of a rollout in the middle of its last wave, by tenths. */
const MIDDLE = 'QUEUED QUEUED NOTIFIED NOTIFIED DOWNLOADING PROBATION SUCCEEDED SUCCEEDED SUCCEEDED FAILED'.split(' ');

/** A fleet of its size in a database of its own, and the control plane's own services over it. */
export class SizedFleet {
  readonly size: number;
  readonly services: Services;

  private constructor(size: number, services: Services) {
    this.size = size;
    this.services = services;
  }

  /** Makes the schema, and fills it as a fleet stands on which the release before runs everywhere. */
  static async open(directory: string, databaseUrl: string, size: number): Promise<SizedFleet> {
    const { config } = readConfig(['run', '--data', directory, '--database-url', databaseUrl], {});
    const services = await openServices({ ...config, databaseUrl }, createLogger('bench', 'error'));
    const fleet = new SizedFleet(size, services);
    await insertRelease(services.database, BEFORE, 1);
    await insertRelease(services.database, RELEASE, 2, [VARIANT]);
    await fleet.withoutIndexes(['device', 'assignment'], async (sql) => {
      await insertFleet(sql, size, { running: [BEFORE] });
      await sql.query(
        `insert into assignment (device_id, sequence, release, variant) select id, 1, $1, 'onnx-fp32' from device`,
        [BEFORE],
      );
    });
    await fleet.analyze();
    return fleet;
  }

  get database(): Services['database'] {
    return this.services.database;
  }

  async create(target: string, waves: readonly object[]): Promise<string> {
    const body = { release: RELEASE, target, strategy: { waves } };
    return (await this.services.rollouts.create(body, 'bench')).id;
  }

  /** Steps until the wave that began has all its devices. The next step would look at what they do. */
  async startFirstWave(id: string): Promise<void> {
    for (;;) {
      await this.services.steps.step(id);
      const [row] = await this.database.query<{ filled: boolean }>(
        `select w.state = 'RUNNING' and not exists (select 1 from pending_decision where rollout_id = $1) as filled
         from wave w where w.rollout_id = $1 and w.index = 0`,
        [id],
      );
      if (row?.filled) return;
    }
  }

  /** A rollout to all devices at once, in the middle of its way. @returns its id */
  async openRollout(): Promise<string> {
    const id = await this.create('all', [{ size: '100%' }]);
    await this.withoutIndexes(['execution'], async (sql) => {
      await sql.query(
        `insert into execution (rollout_id, wave_index, device_id, kind, state, from_release, variant, deadline_at, ended_at)
         select $1, 0, id, 'install', state, $3, case when state <> 'QUEUED' then 'onnx-fp32' end,
           now() + interval '6 hours', case when state in ('SUCCEEDED', 'FAILED') then now() end
         from (select id, ($2::text[])[1 + bucket % 10] as state from device) as d`,
        [id, MIDDLE, BEFORE],
      );
      await sql.query(
        `insert into execution_move (rollout_id, wave_index, state, n, diverged)
         select rollout_id, wave_index, state, count(*), 0 from execution where rollout_id = $1 group by 1, 2, 3`,
        [id],
      );
      await sql.query(`update rollout set state = 'RUNNING' where id = $1`, [id]);
      await sql.query(`update wave set state = 'RUNNING' where rollout_id = $1`, [id]);
    });
    await this.analyze();
    return id;
  }

  async remove(id: string): Promise<void> {
    await this.database.transaction(async (sql) => {
      await sql.query('delete from execution where rollout_id = $1', [id]);
      await sql.query('delete from execution_move where rollout_id = $1', [id]);
      await sql.query('delete from rollout where id = $1', [id]);
    });
  }

  async analyze(): Promise<void> {
    await this.database.query('vacuum analyze');
  }

  async close(): Promise<void> {
    await this.database.stop();
  }

  /** Loads what is there to be measured on, as a restored backup is loaded: indexes last, without triggers. */
  private async withoutIndexes(
    tables: readonly string[],
    load: (sql: Parameters<Parameters<Services['database']['transaction']>[0]>[0]) => Promise<void>,
  ): Promise<void> {
    await this.database.transaction(async (sql) => {
      await sql.query('set local session_replication_role = replica');
      await sql.query(`set local maintenance_work_mem = '512MB'`);
      const indexes = await sql.query<{ name: string; definition: string }>(
        `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index i
         where indrelid = any ($1::regclass[]) and not exists (select 1 from pg_constraint c where c.conindid = i.indexrelid)`,
        [tables],
      );
      for (const { name } of indexes) await sql.query(`drop index ${name}`);
      await load(sql);
      for (const { definition } of indexes) await sql.query(definition);
    });
  }
}

/** Where a bench keeps its data. */
export const databaseUrlOf = (url: string, name: string): string => {
  const other = new URL(url);
  other.pathname = join('/', name);
  return other.href;
};
