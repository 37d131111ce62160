import type { RoundSpec } from '@aviary/federation';
import type { ReleaseStatement } from '@aviary/release';
import type { Sql } from '../../infra/database.ts';
import { readTarget, type SqlCondition } from '../devices/selector-sql.ts';

/** Devices whose updates can be added up: the same backbone makes their features, the same head is where they start. */
export interface Population {
  readonly backbone: string;
  /** SHA-256 of the head that the release serves with. */
  readonly base: string;
  readonly features: number;
  readonly classes: number;
}

/** A trainable part of a release, and how many targeted devices keep enough samples for it. */
export interface ChosenPopulation extends Population {
  readonly variants: readonly string[];
  readonly ready: number;
}

type Standing = 'not-learning' | 'other-backbone' | 'other-head' | 'few-samples' | 'offline' | 'busy' | 'eligible';

interface StandingRow {
  readonly standing: Standing;
  readonly devices: number;
  readonly samples: number;
}

// The one definition of who may take part; the first thing that speaks against it is the reason that is shown.
const STANDING = `case
    when l.device_id is null then 'not-learning'
    when l.backbone <> $1 then 'other-backbone'
    when l.base <> $2 then 'other-head'
    when l.samples < $3 then 'few-samples'
    when d.presence <> 'online' then 'offline'
    when exists (
      select 1 from round_participant p join federated_round o on o.id = p.round_id
      where p.device_id = d.id and o.ended_at is null) then 'busy'
    else 'eligible' end`;

const standings = (where: string): string => `
  select ${STANDING} as standing, count(*)::integer as devices, coalesce(sum(l.samples), 0)::float8 as samples
  from device d left join learning_state l on l.device_id = d.id where ${where} group by 1`;

const eligible = (where: string): string => `
  select d.id from device d join learning_state l on l.device_id = d.id
  where ${where} and ${STANDING} = 'eligible' order by d.id`;

const ready = (where: string): string => `
  select l.backbone, l.base, count(*)::integer as devices
  from device d join learning_state l on l.device_id = d.id
  where l.samples >= $1 and ${where} group by 1, 2`;

const REASONS: Record<Exclude<Standing, 'eligible'>, (minSamples: number) => string> = {
  'not-learning': () => 'without labelled samples (start the agent there with --learn)',
  'other-backbone': () => 'with samples of another backbone (of another variant, release or model)',
  'other-head': () => 'with another head than the one to be improved',
  'few-samples': (minSamples) => `with fewer than ${minSamples} labelled samples`,
  offline: () => 'offline',
  busy: () => 'in another round',
};

const counted = (devices: number): string => (devices === 1 ? '1 device' : `${devices} devices`);

/**
 * Which trainable part of a release a round improves: the one for which most targeted devices keep enough samples, the
 * first one of the statement when none is ahead. Undefined when no variant can be trained.
 */
export const choosePopulation = async (
  sql: Sql,
  statement: ReleaseStatement,
  { target, minSamples }: Pick<RoundSpec, 'target' | 'minSamples'>,
): Promise<ChosenPopulation | undefined> => {
  const { where, parameters } = readTarget(target, 2);
  const keeping = await sql.query<{ backbone: string; base: string; devices: number }>(ready(where), [
    minSamples,
    ...parameters,
  ]);
  const parts: ChosenPopulation[] = [];
  for (const { variant, training } of statement.targets) {
    if (training === undefined) continue;
    const isSame = (other: { backbone: string; base: string }): boolean =>
      other.backbone === training.backbone && other.base === training.base;
    const index = parts.findIndex(isSame);
    const known = parts[index];
    if (known !== undefined) parts[index] = { ...known, variants: [...known.variants, variant] };
    else parts.push({ ...training, variants: [variant], ready: keeping.find(isSame)?.devices ?? 0 });
  }
  return parts.toSorted((a, b) => b.ready - a.ready)[0];
};

/** Whom a round is about: a population, and which of the fleet's devices may take part. */
export interface Wanted {
  readonly backbone: string;
  readonly base: string;
  readonly target: string;
  readonly minSamples: number;
}

const parametersOf = (wanted: Wanted, target: SqlCondition): unknown[] => [
  wanted.backbone,
  wanted.base,
  wanted.minSamples,
  ...target.parameters,
];

/** The devices that could be asked at this moment, in order of id. */
export const eligibleDevices = async (sql: Sql, wanted: Wanted): Promise<string[]> => {
  const target = readTarget(wanted.target, 4);
  const rows = await sql.query<{ id: string }>(eligible(target.where), parametersOf(wanted, target));
  return rows.map(({ id }) => id);
};

/** How the targeted devices stand to a round, with words for those that could not be asked. */
export const surveyPopulation = async (
  sql: Sql,
  wanted: Wanted,
): Promise<{ devices: number; eligible: number; samples: number; words: string[] }> => {
  const target = readTarget(wanted.target, 4);
  const rows = await sql.query<StandingRow>(standings(target.where), parametersOf(wanted, target));
  const found = rows.find(({ standing }) => standing === 'eligible');
  const words: string[] = [];
  for (const [standing, say] of Object.entries(REASONS)) {
    const row = rows.find((candidate) => candidate.standing === standing);
    if (row !== undefined) words.push(`${counted(row.devices)} ${say(wanted.minSamples)}`);
  }
  return {
    devices: rows.reduce((sum, row) => sum + row.devices, 0),
    eligible: found?.devices ?? 0,
    samples: found?.samples ?? 0,
    words,
  };
};
