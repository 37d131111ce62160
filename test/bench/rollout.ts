import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { loadSnapshot } from '../../apps/control-plane/dist/features/rollouts/rollout-snapshot.js';
import { startEmbeddedDatabase } from '../../apps/control-plane/dist/launcher/embedded-database.js';
import { type Bench, type Figure, median } from './harness.ts';
import { createByHand, materialise } from './rollout/by-hand.ts';
import { buffersOf, type Explained, ExplainedSql } from './rollout/explained-sql.ts';
import { databaseUrlOf, SizedFleet } from './rollout/sized-fleet.ts';

const SMALL = 100_000;
const LARGE = 1_000_000;
const ROUNDS = 5;
const SNAPSHOTS = 201;
/** Rows that the peer of a wave's start materialises in a round; it is taken twenty times, which flatters it: the more rows, the more an index costs. */
const SLICE = LARGE / 20;
/** One in ten devices: as many as the small fleet has in all. */
const TENTH = 'ring = canary';
const WAVES = [{ size: '1%' }, { size: '10%' }, { size: '100%' }];

/** As a step of the conductor reads a rollout. */
const AS_A_STEP = { whenLocked: 'skip', measure: true } as const;

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const from = performance.now();
  await work();
  return performance.now() - from;
};

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

type Report = (figure: Figure) => void;

/** What each side took, in ms, round by round. */
type Rounds = readonly (readonly number[])[];

/** Of the first side, against one of the others. */
const compare = (
  report: Report,
  figure: Pick<Figure, 'figure' | 'goal'>,
  versus: string,
  rounds: Rounds,
  other = 1,
): void => {
  const of = (round: readonly number[], side: number): number => round[side] ?? Number.NaN;
  report({
    ...figure,
    value: median(rounds.map((round) => of(round, 0))),
    unit: 'ms',
    versus: `${versus} (${median(rounds.map((round) => of(round, other))).toFixed(1)} ms)`,
    ratio: median(rounds.map((round) => of(round, 0) / of(round, other))),
  });
};

/** Each round begins with another side, and the first one of all warms up. */
const takeTurns = async (sides: readonly (() => Promise<number>)[]): Promise<Rounds> => {
  const rounds: number[][] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const took: number[] = [];
    for (let turn = 0; turn < sides.length; turn += 1) {
      const side = (round + turn) % sides.length;
      took[side] = (await sides[side]?.()) ?? Number.NaN;
    }
    if (round > 0) rounds.push(took);
  }
  return rounds;
};

const timeCreate = async (fleet: SizedFleet, target: string): Promise<number> => {
  let id = '';
  const took = await timed(async () => {
    id = await fleet.create(target, WAVES);
  });
  await fleet.remove(id);
  return took;
};

const timeFirstWave = async (fleet: SizedFleet): Promise<number> => {
  const id = await fleet.create('all', [{ size: '1%' }, { size: '100%' }]);
  const took = await timed(() => fleet.startFirstWave(id));
  const [row] = await fleet.database.query<{ taken: number }>(
    'select count(*)::integer as taken from execution where rollout_id = $1',
    [id],
  );
  if (row?.taken !== fleet.size / 100) throw new Error(`expected ${fleet.size / 100} executions, got ${row?.taken}`);
  await fleet.remove(id);
  return took;
};

const benchCreate = async (report: Report, small: SizedFleet, large: SizedFleet): Promise<void> => {
  const byHand = async () => {
    let id = '';
    const took = await timed(async () => {
      id = await createByHand(large.database, { ring: 'canary' });
    });
    await large.remove(id);
    return took;
  };
  compare(
    report,
    { figure: 'create a rollout to 100,000 of 1,000,000 devices', goal: { at: 'most', ratio: 1.5 } },
    'by hand: devices counted by profile once, a row for it, its waves and its history inserted',
    await takeTurns([() => timeCreate(large, TENTH), byHand]),
  );
  compare(
    report,
    { figure: 'create a rollout to 1,000,000 devices', goal: { at: 'most', ratio: 13 } },
    'to 100,000, in a database of 100,000',
    await takeTurns([() => timeCreate(large, 'all'), () => timeCreate(small, 'all')]),
  );
};

const benchFirstWave = async (report: Report, small: SizedFleet, large: SizedFleet): Promise<void> => {
  const whole = async () => (LARGE / SLICE) * (await timed(() => materialise(large.database, SLICE)));
  const figure = 'start a first wave of 1 % of 1,000,000';
  const rounds = await takeTurns([() => timeFirstWave(large), whole, () => timeFirstWave(small)]);
  compare(
    report,
    { figure, goal: { at: 'most', ratio: 0.05 } },
    'insert … select of an execution for every device, into a table with the same indexes and no trigger or reference; a twentieth, times twenty',
    rounds,
  );
  compare(report, { figure, goal: { at: 'most', ratio: 13 } }, 'of 100,000', rounds, 2);
};

/** Claims one batch, as a step of the conductor does. */
const timeClaim = (fleet: SizedFleet, id: string): Promise<number> =>
  fleet.database.transaction(async (sql) => {
    const rollout = await loadSnapshot(sql, id, AS_A_STEP);
    if (rollout === undefined) throw new Error('expected the rollout that was created');
    return timed(async () => {
      const taken = await fleet.services.notifier.notify(sql, rollout);
      if (taken !== 500) throw new Error(`expected a batch of 500, got ${taken}`);
    });
  });

/** The median of some in a row: one takes about a millisecond, and whoever waits for a processor waits longer. */
const timeSnapshot = (fleet: SizedFleet, id: string): Promise<number> =>
  fleet.database.transaction(async (sql) => {
    const took: number[] = [];
    while (took.length < SNAPSHOTS) took.push(await timed(() => loadSnapshot(sql, id, AS_A_STEP)));
    return median(took);
  });

interface Plans {
  readonly progress: readonly Explained[];
  readonly claim: readonly Explained[];
  readonly expiry: readonly Explained[];
}

const explain = async (fleet: SizedFleet, id: string): Promise<Plans> => {
  await fleet.database.query(
    `update execution set deadline_at = now() - interval '1 minute' where id in (
       select id from execution where rollout_id = $1 and state = 'NOTIFIED' order by id limit 500)`,
    [id],
  );
  return fleet.database.transaction(async (sql) => {
    const progress = new ExplainedSql(sql);
    const rollout = await loadSnapshot(progress, id, AS_A_STEP);
    if (rollout === undefined) throw new Error('expected the rollout that was created');
    const claim = new ExplainedSql(sql);
    await fleet.services.notifier.notify(claim, rollout);
    const expiry = new ExplainedSql(sql);
    if (!(await fleet.services.executions.expire(expiry))) throw new Error('expected 500 silent devices');
    return { progress: progress.explained, claim: claim.explained, expiry: expiry.explained };
  });
};

const benchMiddle = async (report: Report, small: SizedFleet, large: SizedFleet): Promise<void> => {
  const smallId = await small.openRollout();
  const largeId = await large.openRollout();
  compare(
    report,
    { figure: 'claim a batch of 500 of 1,000,000 executions', goal: { at: 'most', ratio: 13 } },
    'of 100,000',
    await takeTurns([() => timeClaim(large, largeId), () => timeClaim(small, smallId)]),
  );
  compare(
    report,
    { figure: 'progress of 1,000,000 executions', goal: { at: 'most', ratio: 1.5 } },
    'of 100,000',
    await takeTurns([() => timeSnapshot(large, largeId), () => timeSnapshot(small, smallId)]),
  );
  await large.analyze();
  await small.analyze();
  const plans = { small: await explain(small, smallId), large: await explain(large, largeId) };
  for (const [name, statements] of Object.entries(plans.large)) {
    for (const { statement, plan } of statements) say(`\n-- ${name}, at 1,000,000 executions\n${statement}\n\n${plan}`);
  }
  for (const [figure, part] of [
    ['pages that progress reads', 'progress'],
    ['pages that claiming a batch of 500 touches', 'claim'],
    ['pages that ending 500 silent devices touches', 'expiry'],
  ] as const) {
    const [many, few] = [buffersOf(plans.large[part]), buffersOf(plans.small[part])];
    report({
      figure: `${figure}, at 1,000,000 executions`,
      value: many,
      unit: 'pages',
      versus: `at 100,000 (${few} pages)`,
      ratio: many / few,
      // An index of ten times as many rows may be one page deeper.
      goal: { at: 'most', ratio: 1.5 },
    });
  }
};

const bench: Bench = {
  about: `rollouts in databases of ${SMALL.toLocaleString('en')} and ${LARGE.toLocaleString('en')} devices, by the services of the control plane; medians of ${ROUNDS} rounds`,
  async run(report) {
    const directory = await mkdtemp(join(tmpdir(), 'aviary-bench-'));
    // The server runs as another user when this runs as root, and has to reach its data below.
    await chmod(directory, 0o711);
    const server = await startEmbeddedDatabase(directory, () => {});
    const fleets: SizedFleet[] = [];
    try {
      const client = new pg.Client({ connectionString: server.url });
      await client.connect();
      // What a power cut would lose is lost with the folder anyway, and neither a checkpoint nor a vacuum should fall
      // into one side.
      for (const setting of ['fsync = off', `max_wal_size = '16GB'`, 'autovacuum = off'])
        await client.query(`alter system set ${setting}`);
      await client.query('select pg_reload_conf()');
      await client.query('create database small');
      await client.end();
      const took = await timed(async () => {
        fleets.push(await SizedFleet.open(directory, databaseUrlOf(server.url, 'small'), SMALL));
        fleets.push(await SizedFleet.open(directory, server.url, LARGE));
      });
      say(`${SMALL} and ${LARGE} devices inserted in ${(took / 1000).toFixed(0)} s`);
      const [small, large] = fleets;
      if (small === undefined || large === undefined) throw new Error('expected two fleets');
      await benchCreate(report, small, large);
      await benchFirstWave(report, small, large);
      await benchMiddle(report, small, large);
    } finally {
      for (const fleet of fleets) await fleet.close();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
};
export default bench;
