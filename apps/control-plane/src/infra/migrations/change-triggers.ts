/** What a table's changes are told as, and to whom. */
interface Followed {
  readonly table: string;
  readonly topic: 'devices' | 'releases' | 'rollouts' | 'rounds' | 'joining-keys';
  /** Column that names what has changed. */
  readonly id: string;
  /** Columns that pages show, where others move more often. */
  readonly shown?: readonly string[];
  /** Condition of the trigger. */
  readonly when?: string;
}

const FOLLOWED: readonly Followed[] = [
  { table: 'rollout', topic: 'rollouts', id: 'id' },
  // A wave's counters are moved by the trigger of an execution, which is told already.
  { table: 'wave', topic: 'rollouts', id: 'rollout_id', when: 'pg_trigger_depth() = 0' },
  { table: 'execution', topic: 'rollouts', id: 'rollout_id' },
  { table: 'gate_result', topic: 'rollouts', id: 'rollout_id' },
  {
    table: 'device',
    topic: 'devices',
    id: 'id',
    shown: ['presence', 'running_release', 'running_digest', 'labels', 'name', 'profile', 'facts'],
  },
  { table: 'assignment', topic: 'devices', id: 'device_id', shown: ['release', 'variant'] },
  {
    table: 'learning_state',
    topic: 'devices',
    id: 'device_id',
    shown: ['release', 'backbone', 'base', 'samples', 'per_label'],
  },
  { table: 'release', topic: 'releases', id: 'name' },
  { table: 'federated_round', topic: 'rounds', id: 'id' },
  { table: 'round_participant', topic: 'rounds', id: 'round_id' },
];

// One row tells a whole statement, and one that says nothing new within its transaction is left out: a group of
// telemetry that moves a hundred executions of one rollout leaves a single row. Devices come and go by the thousand
// after an outage, each in a transaction of its own, and a notification makes commits wait for each other: their
// changes are left to the readers' poll.
const RECORD_CHANGE = `
  create function record_change(about text, changed text[]) returns void language plpgsql as $$
  declare
    written integer;
    told boolean;
    most constant integer := 20;
  begin
    if changed is null then
      return;
    end if;
    select count(*), coalesce(bool_or(ids is null or ids @> to_jsonb(changed)), false) into written, told
    from change_event where transaction_id = pg_current_xact_id() and topic = about;
    if told then
      return;
    end if;
    insert into change_event (topic, ids)
    values (about, case when written < most and cardinality(changed) <= most then to_jsonb(changed) end);
    if about <> 'devices' then
      perform pg_notify('changes', '');
    end if;
  end $$;`;

const changedIds = (from: string, id: string): string =>
  `(select array_agg(id) from (select distinct now_.${id}::text as id from ${from} limit 21) as distinct_ids)`;

/** The triggers that write a table's `change_event` rows. */
export const follow = ({ table, topic, id, shown, when }: Followed): string => {
  const row = (side: string) => `(${(shown ?? []).map((column) => `${side}.${column}`).join(', ')})`;
  const updated =
    shown === undefined
      ? 'changed now_'
      : `changed now_ join before was using (${id}) where ${row('now_')} is distinct from ${row('was')}`;
  const condition = when === undefined ? '' : `when (${when})`;
  return `
    create function tell_new_${table}() returns trigger language plpgsql as $$
    begin
      perform record_change('${topic}', ${changedIds('changed now_', id)});
      return null;
    end $$;
    create function tell_changed_${table}() returns trigger language plpgsql as $$
    begin
      perform record_change('${topic}', ${changedIds(updated, id)});
      return null;
    end $$;
    create trigger ${table}_new after insert on ${table} referencing new table as changed
      for each statement ${condition} execute function tell_new_${table}();
    create trigger ${table}_changed after update on ${table} referencing old table as before new table as changed
      for each statement ${condition} execute function tell_changed_${table}();`;
};

/** Triggers that write `change_event` rows. None is on a table that takes telemetry. */
export const CHANGE_TRIGGERS = [RECORD_CHANGE, ...FOLLOWED.map(follow)].join('\n');
