import type { Database } from '../../infra/database.ts';

const DAYS_AHEAD = 2;

/** Makes the daily partitions of raw telemetry for today and the days to come; rows without one go to the default. */
export const ensurePartitions = async (database: Database): Promise<void> => {
  for (let day = 0; day <= DAYS_AHEAD; day += 1) {
    await database.query(`
      do $$
      declare
        first timestamptz := date_trunc('day', now() at time zone 'utc') at time zone 'utc' + interval '${day} day';
        name text := 'telemetry_batch_' || to_char(first at time zone 'utc', 'YYYYMMDD');
      begin
        perform pg_advisory_xact_lock(7245502);
        if to_regclass(name) is null and not exists (
          select 1 from telemetry_batch_default where received_at >= first and received_at < first + interval '1 day'
        ) then
          execute format('create table %I partition of telemetry_batch for values from (%L) to (%L)',
            name, first, first + interval '1 day');
        end if;
      end $$`);
  }
};
