import { commandRound, isEndedRound, RoundCommandRefusedError, type RoundSpec } from '@aviary/federation';
import type { RoundCandidate, RoundDetail, RoundSummary } from '@aviary/protocol';
import { splitReleaseName } from '@aviary/release';
import type { Database, Sql } from '../../infra/database.ts';
import { badRequest, conflict, notFound } from '../../infra/problem.ts';
import type { ReleasesService } from '../registry/releases.service.ts';
import { type ChosenPopulation, choosePopulation, surveyPopulation } from './population.ts';
import type { RoundDecisionsApplier } from './round-decisions-applier.ts';
import { loadRound } from './round-snapshot.ts';
import { roundViews } from './round-views.ts';

interface Prepared {
  readonly population: ChosenPopulation;
  readonly survey: Awaited<ReturnType<typeof surveyPopulation>>;
}

/** Federated rounds as people see and steer them. What happens in between is the round conductor's and the devices'. */
export class RoundsService {
  constructor(
    private readonly database: Database,
    private readonly releases: ReleasesService,
    private readonly applier: RoundDecisionsApplier,
  ) {}

  /** @throws ProblemError naming what is wrong, before anything is created */
  async create(spec: RoundSpec): Promise<RoundSummary> {
    const { population, survey } = await this.prepare(spec);
    const { backbone, base, features, classes } = population;
    const { model } = splitReleaseName(spec.release);
    const id = await this.database.transaction(async (sql) => {
      await sql.query('select pg_advisory_xact_lock(hashtext($1))', [`rounds of ${model}`]);
      await refuseSecond(sql, model);
      const [row] = await sql.query<{ id: string }>(
        `insert into federated_round (release, backbone, base, features, classes, target, spec, state)
         values ($1, $2, $3, $4, $5, $6, $7, 'DRAFT') returning id`,
        [spec.release, backbone, base, features, classes, spec.target, JSON.stringify(spec)],
      );
      if (row === undefined) throw new Error('an insert answers its row');
      await sql.query('insert into round_history (round_id, message) values ($1, $2), ($1, $3)', [
        row.id,
        `created: ${spec.release}, asked of "${spec.target}" (${survey.devices} devices), goal ${spec.goal}`,
        `improves the head of ${population.variants.join(', ')}: ${population.ready} devices keep at least ${spec.minSamples} samples of its backbone ${backbone.slice(0, 12)}`,
      ]);
      return row.id;
    });
    return this.summary(id);
  }

  /** Who could take part if it were created now. */
  async preview(spec: RoundSpec) {
    return (await this.prepare(spec)).survey;
  }

  async list(query: { cursor?: string | undefined; limit: number }) {
    const before = query.cursor === undefined ? undefined : Number(query.cursor);
    if (Number.isNaN(before)) throw badRequest('cursor-invalid', 'Expected the nextCursor of a page before.');
    const items = await roundViews.list(this.database, before, query.limit + 1);
    const more = items.length > query.limit;
    if (more) items.pop();
    return { items, nextCursor: more ? String(items.at(-1)?.createdAt) : null };
  }

  async show(id: string): Promise<RoundDetail> {
    const detail = await roundViews.detail(this.database, id);
    if (detail === undefined) throw unknownRound(id);
    return detail;
  }

  /** What a release can be built from. @throws ProblemError `round-not-committed` */
  async candidate(id: string): Promise<RoundCandidate> {
    const candidate = await roundViews.candidate(this.database, id);
    if (candidate !== undefined) return candidate;
    const { state, reason } = await this.summary(id);
    const because = reason === null ? '' : ` (${reason})`;
    throw conflict(
      'round-not-committed',
      `Expected a round that is COMMITTED, this one is ${state}${because}. ${isEndedRound(state) ? 'It has no result; start another one' : 'Watch it'} with: aviary fed ${isEndedRound(state) ? 'create' : `status ${id} --watch`}`,
    );
  }

  /** Ends a round without a result. @throws ProblemError `round-command-refused` when it has ended */
  async abandon(id: string): Promise<RoundSummary> {
    await this.database.transaction(async (sql) => {
      const round = await loadRound(sql, id, 'wait');
      if (round === undefined) throw unknownRound(id);
      try {
        await this.applier.apply(sql, round, commandRound(round.snapshot, 'abandon'));
      } catch (error) {
        if (error instanceof RoundCommandRefusedError) throw conflict(error.code, error.message);
        throw error;
      }
    });
    return this.summary(id);
  }

  private async summary(id: string): Promise<RoundSummary> {
    const summary = await roundViews.summary(this.database, id);
    if (summary === undefined) throw unknownRound(id);
    return summary;
  }

  private async prepare(spec: RoundSpec): Promise<Prepared> {
    const { statement } = await this.releases.get(spec.release);
    const population = await choosePopulation(this.database, statement, spec);
    if (population === undefined) {
      throw badRequest(
        'release-not-trainable',
        `No variant of ${spec.release} can be trained: none brings a step graph. Push it again with "training" in model.yaml.`,
      );
    }
    const { target, minSamples } = spec;
    const survey = await surveyPopulation(this.database, { ...population, target, minSamples });
    if (survey.devices === 0) {
      throw badRequest(
        'target-empty',
        `No device fits the target "${target}". See who would: aviary device list -l '${target}'`,
      );
    }
    refuseImpossible(spec, survey.devices);
    return { population, survey };
  }
}

/** A round that could only be waited for in vain is not begun. */
const refuseImpossible = ({ goal, evaluators, target }: RoundSpec, devices: number): void => {
  const most = devices - evaluators;
  if (goal <= most) return;
  throw badRequest(
    'goal-impossible',
    most < 1
      ? `The target "${target}" names ${devices} devices, and ${evaluators} are kept from training to judge the result: nobody is left to train. Take more devices, or fewer evaluators.`
      : `Expected a goal of at most ${most}, got ${goal}: the target "${target}" names ${devices} devices, and ${evaluators} are kept from training to judge the result. Lower the goal, or take more devices.`,
  );
};

/** Two rounds of a model would improve the same head, and only one of them could be the next release. */
const refuseSecond = async (sql: Sql, model: string): Promise<void> => {
  const [other] = await sql.query<{ id: string; release: string; state: string }>(
    `select id, release, state from federated_round where split_part(release, '@', 1) = $1 and ended_at is null`,
    [model],
  );
  if (other === undefined) return;
  throw conflict(
    'round-under-way',
    `Round ${other.id} of ${other.release} is still under way (${other.state}), and a model has one at a time. Wait for it, or end it with: aviary fed abandon ${other.id}`,
  );
};

const unknownRound = (id: string) => notFound('round', id, 'List them with: aviary fed status');
