import { randomInt } from 'node:crypto';
import type {
  CreatedRollout,
  ExecutionOutcome,
  RolloutAction,
  RolloutDetail,
  RolloutPreview,
  RolloutSummary,
} from '@aviary/protocol';
import { splitReleaseName } from '@aviary/release';
import {
  BUCKETS,
  CommandRefusedError,
  command,
  parseRolloutSpec,
  parseSelector,
  planControl,
  planWaves,
  type RolloutSpec,
  RolloutSpecError,
  type SpecProblem,
} from '@aviary/rollout';
import type { Database, Sql } from '../../infra/database.ts';
import { badRequest, conflict, notFound } from '../../infra/problem.ts';
import { targetToSql } from '../devices/selector-sql.ts';
import type { ReleasesService, StoredRelease } from '../registry/releases.service.ts';
import type { DecisionsApplier } from './decisions-applier.ts';
import { NO_PROFILE } from './device-taker.ts';
import { overlapsOf, refuseTwice, tellOverlaps } from './overlaps.ts';
import type { PreparedRollout, Rehearsal } from './rehearsal.ts';
import { loadSnapshot } from './rollout-snapshot.ts';
import { rolloutViews } from './rollout-views.ts';

/** Rollouts as people see and steer them. What happens in between is the conductor's. */
export class RolloutsService {
  constructor(
    private readonly database: Database,
    private readonly releases: ReleasesService,
    private readonly rehearsal: Rehearsal,
    private readonly applier: DecisionsApplier,
  ) {}

  /**
   * @param by who asks for it: somebody else has to approve it, where that is required
   * @throws ProblemError naming everything that is wrong, before anything is created
   */
  async create(body: unknown, by: string): Promise<CreatedRollout> {
    const { spec, waves, control } = await this.prepare(body);
    const { model } = splitReleaseName(spec.release);
    const { id, overlaps } = await this.database.transaction(async (sql) => {
      await sql.query('select pg_advisory_xact_lock(hashtext($1))', [`rollouts of ${model}`]);
      const overlaps = await overlapsOf(sql, spec);
      refuseTwice(spec, overlaps);
      const [row] = await sql.query<{ id: string }>(
        `insert into rollout (release, model, target, spec, state, bucket_offset, control, created_by, priority)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id`,
        [
          spec.release,
          model,
          spec.target,
          JSON.stringify(spec),
          spec.approval === 'required' ? 'WAITING_FOR_APPROVAL' : 'READY',
          randomInt(BUCKETS),
          JSON.stringify(control),
          by,
          spec.priority,
        ],
      );
      if (row === undefined) throw new Error('an insert answers its row');
      await sql.query(
        `insert into wave (rollout_id, index, state, planned, strata)
         select $1, index, 'SCHEDULED', size, strata from jsonb_to_recordset($2) as t (index integer, size integer, strata jsonb)`,
        [row.id, JSON.stringify(waves)],
      );
      await sql.query('insert into rollout_history (rollout_id, message, actor) values ($1, $2, $3)', [
        row.id,
        `created: ${spec.release} to ${spec.target}, ${waves.at(-1)?.cumulative} devices in ${waves.length} waves`,
        by,
      ]);
      if (spec.newcomers === 'ignore') await this.keepTarget(sql, row.id, spec.target);
      await tellOverlaps(sql, { id: row.id, release: spec.release }, overlaps);
      return { id: row.id, overlaps };
    });
    return { ...(await this.summary(id)), overlaps };
  }

  /** What `create` would do. */
  async preview(body: unknown): Promise<RolloutPreview> {
    const prepared = await this.prepare(body);
    return { ...(await this.rehearsal.of(prepared)), overlaps: await overlapsOf(this.database, prepared.spec) };
  }

  async list(query: { cursor?: string | undefined; limit: number }) {
    const before = query.cursor === undefined ? undefined : Number(query.cursor);
    if (Number.isNaN(before)) throw badRequest('cursor-invalid', 'Expected the nextCursor of a page before.');
    const items = await rolloutViews.list(this.database, before, query.limit + 1);
    const more = items.length > query.limit;
    if (more) items.pop();
    return { items, nextCursor: more ? String(items.at(-1)?.createdAt) : null };
  }

  /** Those that have not ended, newest first. */
  underWay(limit: number): Promise<RolloutSummary[]> {
    return rolloutViews.underWay(this.database, limit);
  }

  async show(id: string): Promise<RolloutDetail> {
    const detail = await rolloutViews.detail(this.database, id);
    if (detail === undefined) throw unknownRollout(id);
    return detail;
  }

  async executions(
    id: string,
    query: { cursor?: string | undefined; limit: number; outcome?: ExecutionOutcome | undefined },
  ) {
    await this.summary(id);
    const items = await rolloutViews.executions(this.database, id, { ...query, limit: query.limit + 1 });
    const more = items.length > query.limit;
    if (more) items.pop();
    return { items, nextCursor: more ? (items.at(-1)?.id ?? null) : null };
  }

  /**
   * A person's command.
   * @throws ProblemError `rollout-command-refused` with what it would need, `approval-by-creator`
   */
  async act(id: string, action: RolloutAction, by: string): Promise<RolloutSummary> {
    await this.database.transaction(async (sql) => {
      const loaded = await loadSnapshot(sql, id, { whenLocked: 'wait', measure: false });
      if (loaded === undefined) throw unknownRollout(id);
      if (action === 'approve') await this.refuseCreator(sql, id, by);
      try {
        await this.applier.apply(sql, loaded, command(loaded.snapshot, action, by), by);
      } catch (error) {
        if (error instanceof CommandRefusedError) throw conflict(error.code, error.message);
        throw error;
      }
    });
    return this.summary(id);
  }

  /** Whoever asks for a rollout does not approve it. */
  private async refuseCreator(sql: Sql, id: string, by: string): Promise<void> {
    const [row] = await sql.query<{ createdBy: string | null }>(
      'select created_by as "createdBy" from rollout where id = $1',
      [id],
    );
    if (row?.createdBy !== by) return;
    throw conflict(
      'approval-by-creator',
      `Expected a second person to approve this rollout; ${by} has created it. Another operator can: aviary rollout approve ${id}`,
    );
  }

  private async summary(id: string): Promise<RolloutSummary> {
    const summary = await rolloutViews.summary(this.database, id);
    if (summary === undefined) throw unknownRollout(id);
    return summary;
  }

  private async prepare(body: unknown): Promise<PreparedRollout> {
    let spec: RolloutSpec | undefined;
    const problems: SpecProblem[] = [];
    try {
      spec = parseRolloutSpec(body);
    } catch (error) {
      if (!(error instanceof RolloutSpecError)) throw error;
      problems.push(...error.problems);
    }
    problems.push(...(await this.unknownRequired(body, problems)));
    if (spec === undefined || problems.length > 0) {
      const error = new RolloutSpecError(problems);
      throw badRequest(error.code, error.message, problems);
    }
    const release = await this.releases.get(spec.release);
    if (release.revoked) {
      throw badRequest(
        'release-revoked',
        `${spec.release} was revoked by its publisher, and no device would take it.`,
        [{ path: 'release', message: `${spec.release} was revoked by its publisher` }],
      );
    }
    const { where, parameters } = targetToSql(parseSelector(spec.target), 2);
    const rows = await this.database.query<{ stratum: string; devices: number }>(
      `select coalesce(d.profile, $1) as stratum, count(*)::integer as devices from device d where ${where} group by 1`,
      [NO_PROFILE, ...parameters],
    );
    if (rows.length === 0) {
      throw badRequest(
        'target-empty',
        `No device fits the target "${spec.target}". See who would: aviary device list -l '${spec.target}'`,
        [{ path: 'target', message: `expected a selector that some device fits, got "${spec.target}"` }],
      );
    }
    const strata = Object.fromEntries(rows.map(({ stratum, devices }) => [stratum, devices]));
    if (spec.onFailure !== 'pause' && spec.strategy.mode !== 'download-only') await this.refuseFloor(spec, release);
    const control = planControl(spec.strategy.control, strata);
    return { spec, release, strata, control, waves: planWaves(spec.strategy.waves, strata, control) };
  }

  /** What it requires and nobody has pushed, unless something is wrong about it already. */
  private async unknownRequired(body: unknown, before: readonly SpecProblem[]): Promise<SpecProblem[]> {
    const path = 'requires';
    const name = typeof body === 'object' && body !== null && path in body ? body[path] : undefined;
    if (typeof name !== 'string' || before.some((problem) => problem.path === path)) return [];
    const rows = await this.database.query('select 1 from release where name = $1', [name]);
    return rows.length > 0 ? [] : [{ path, message: `expected a release that was pushed, got "${name}"` }];
  }

  /** A rollout that may have to roll back must be able to: the release's own floor may forbid what runs now. */
  private async refuseFloor(spec: RolloutSpec, release: StoredRelease): Promise<void> {
    const { rollbackFloor } = release.statement;
    // Often nothing is below it, and nearly never does anything there still run.
    const old = await this.database.query<{ name: string }>('select name from release where release_counter < $1', [
      rollbackFloor,
    ]);
    if (old.length === 0) return;
    const { where, parameters } = targetToSql(parseSelector(spec.target), 2);
    const [below] = await this.database.query<{ name: string }>(
      `select coalesce(a.release, d.running_release) as name from device d left join assignment a on a.device_id = d.id
       where (a.release = any ($1) or (a.release is null and d.running_release = any ($1))) and ${where} limit 1`,
      [old.map(({ name }) => name), ...parameters],
    );
    if (below === undefined) return;
    throw badRequest(
      'rollback-forbidden',
      `onFailure is ${spec.onFailure}, but ${spec.release} raises the rollback floor to ${rollbackFloor}, so devices could not go back to ${below.name}. Use onFailure: pause, or raise the floor with a later release.`,
      [{ path: 'onFailure', message: `expected pause: devices could not go back to ${below.name}` }],
    );
  }

  /** Whom it is about stays as it is now. */
  private async keepTarget(sql: Sql, rolloutId: string, target: string): Promise<void> {
    const { where, parameters } = targetToSql(parseSelector(target), 2);
    await sql.query(`insert into rollout_target (rollout_id, device_id) select $1, d.id from device d where ${where}`, [
      rolloutId,
      ...parameters,
    ]);
  }
}

export const unknownRollout = (id: string) => notFound('rollout', id, 'List them with: aviary rollout list');
