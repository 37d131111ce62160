import { setTimeout as pause } from 'node:timers/promises';
import { EXECUTION_STATES, isEndedExecution } from '@aviary/rollout';
import pg from 'pg';

const OPEN = EXECUTION_STATES.filter((state) => !isEndedExecution(state));

interface Invariant {
  readonly name: string;
  /** Answers, as `what`, each thing that must not be; in one statement, and so of one moment. */
  readonly broken: string;
}

const INVARIANTS: readonly Invariant[] = [
  {
    name: 'what has ended never moves',
    broken: `
      select s.id || ': ' || s.state || ', then ' || coalesce(e.state, 'gone') as what
      from ended_seen s left join execution e on e.id = s.id
      where e.state is distinct from s.state or e.ended_at is distinct from s.ended_at`,
  },
  {
    name: 'an execution has ended, or is open',
    broken: `
      select id || ': ' || state || ', ended ' || coalesce(ended_at::text, 'never') as what from execution
      where (ended_at is null) <> (state = any ('{${OPEN.join()}}'))`,
  },
  {
    name: 'a device is in a rollout once, in one of its waves, and goes back once',
    broken: `
      select device_id || ' in ' || rollout_id || ' as ' || kind as what from execution
      group by device_id, rollout_id, kind having count(*) > 1`,
  },
  {
    name: 'a device has one execution open',
    broken: 'select device_id as what from execution where ended_at is null group by device_id having count(*) > 1',
  },
  {
    name: 'the counters say what there is',
    broken: `
      select concat_ws(' ', rollout_id, wave, state, 'counted', c.n, 'there', e.n) as what
      from (select rollout_id, coalesce(wave_index, -1) as wave, state, n from execution_count) as c
      full join (select rollout_id, coalesce(wave_index, -1) as wave, state, count(*)::integer as n from execution
        group by 1, 2, 3) as e using (rollout_id, wave, state)
      where c.n is distinct from e.n`,
  },
];

const REMEMBER = `
  insert into ended_seen select id, state, ended_at from execution where ended_at is not null on conflict do nothing`;

/** Looks at a fleet's executions from outside, again and again, for what must never be. */
export class ExecutionWatch {
  /** What was found, with words; each once. */
  readonly found = new Set<string>();
  readonly #client: pg.Client;
  #looks = 0;
  #watching = true;
  #ended: Promise<void> = Promise.resolve();

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  /** @param everyMs pause between two looks */
  static async start(databaseUrl: string, everyMs = 1_500): Promise<ExecutionWatch> {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    // Of this connection alone.
    await client.query('create temporary table ended_seen (id uuid primary key, state text, ended_at timestamptz)');
    const watch = new ExecutionWatch(client);
    watch.#ended = watch.#watch(everyMs);
    // Whoever stops it hears of it.
    watch.#ended.catch(() => undefined);
    return watch;
  }

  /** How often it has looked. */
  get looks(): number {
    return this.#looks;
  }

  /** Looks for a last time. @throws what the database has thrown meanwhile */
  async stop(): Promise<void> {
    this.#watching = false;
    try {
      await this.#ended;
      await this.#look();
    } finally {
      await this.#client.end();
    }
  }

  async #watch(everyMs: number): Promise<void> {
    while (this.#watching) {
      await this.#look();
      await pause(everyMs);
    }
  }

  async #look(): Promise<void> {
    for (const { name, broken } of INVARIANTS) {
      const { rows } = await this.#client.query<{ what: string }>(`${broken} limit 5`);
      for (const { what } of rows) this.found.add(`${name}: ${what}`);
    }
    await this.#client.query(REMEMBER);
    this.#looks += 1;
  }
}
