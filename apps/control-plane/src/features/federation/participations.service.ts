import { type RoundSpec, reportProblem } from '@aviary/federation';
import type { RoundEvaluationReport, RoundTask } from '@aviary/protocol';
import { type Database, millisecondsOf, type Sql } from '../../infra/database.ts';
import { badRequest, conflict, ProblemError } from '../../infra/problem.ts';
import { demandOpen, isOpenPart, type Participation, readParticipation } from './participation.ts';

const TASK = `
  select r.id as round, p.part, r.release, r.backbone, r.base, r.spec, ${millisecondsOf('r.deadline_at')} as "deadlineAt",
    case p.part when 'evaluate' then r.aggregate ->> 'sha256' end as update
  from round_participant p join federated_round r on r.id = p.round_id
  where p.device_id = $1 and p.state in ('INVITED', 'WORKING') and r.deadline_at > clock_timestamp()
    and r.state = case p.part when 'train' then 'COLLECTING' else 'EVALUATING' end
  order by r.created_at limit 1`;

const BEGIN = `
  update round_participant set state = 'WORKING', updated_at = now()
  where round_id = $1 and device_id = $2 and state = 'INVITED'`;

const DECLINE = `
  update round_participant set state = 'DECLINED', reason = $3, updated_at = now() where round_id = $1 and device_id = $2`;

const LEAVE = `
  update round_participant p set state = 'SILENT', reason = 'the device was revoked', updated_at = now()
  from federated_round r
  where r.id = p.round_id and r.ended_at is null and p.device_id = $1 and p.state in ('INVITED', 'WORKING')`;

const EVALUATE = `
  update round_participant set state = $3, reason = $4, evaluation = $5, samples = $6, updated_at = now()
  where round_id = $1 and device_id = $2`;

/** A device's part in rounds, all but its update: what it is asked, its evaluation, its no. */
export class ParticipationsService {
  constructor(private readonly database: Database) {}

  /** What the device is asked to do now. @throws ProblemError `round-none` (404) */
  async taskOf(deviceId: string): Promise<RoundTask> {
    const [row] = await this.database.query<Omit<RoundTask, 'training' | 'minSamples'> & { spec: RoundSpec }>(TASK, [
      deviceId,
    ]);
    if (row === undefined) {
      throw new ProblemError(404, 'round-none', 'No federated round asks anything of this device now.');
    }
    const { spec, ...task } = row;
    await this.database.query(BEGIN, [task.round, deviceId]);
    return { ...task, training: spec.training, minSamples: spec.minSamples };
  }

  /** The aggregated update, for the devices that judge it. @throws ProblemError */
  async aggregateFor(deviceId: string, round: string): Promise<{ sha256: string; bytes: Buffer }> {
    const own = await readParticipation(this.database, round, deviceId, 'evaluate');
    demandOpen(own, 'evaluate');
    const [row] = await this.database.query<{ sha256: string; bytes: Buffer }>(
      `select aggregate ->> 'sha256' as sha256, aggregate_update as bytes from federated_round
       where id = $1 and aggregate_update is not null`,
      [round],
    );
    if (row === undefined) throw new Error(`round ${round} is evaluated without an aggregate`);
    return row;
  }

  /** Takes how the heads answered the device's own samples; the same again is answered as before. @throws ProblemError */
  async takeEvaluation(deviceId: string, round: string, report: RoundEvaluationReport): Promise<void> {
    const refusal = await this.database.transaction(async (sql) => {
      const own = await readParticipation(sql, round, deviceId, 'evaluate', 'locked');
      if (own.state === 'REPORTED' && own.evaluation !== null) {
        if (isSameReport(own.evaluation, report)) return undefined;
        throw conflict(
          'evaluation-exists',
          'Expected one evaluation of each device; this one has sent another for this round, which counts. Drop this one.',
        );
      }
      demandOpen(own, 'evaluate');
      const wrong = wrongWith(report, own);
      const reason = wrong === undefined ? null : `${wrong.code}: ${wrong.message}`;
      const state = wrong === undefined ? 'REPORTED' : 'REFUSED';
      await sql.query(EVALUATE, [round, deviceId, state, reason, JSON.stringify(report), report.samples]);
      return wrong;
    });
    if (refusal !== undefined) throw refusal;
  }

  /** Rounds do not wait for a device that is refused, in the caller's transaction. */
  async removeRevoked(sql: Sql, deviceId: string): Promise<void> {
    await sql.query(LEAVE, [deviceId]);
  }

  /** The device does not take part. Said again, it changes nothing. @throws ProblemError `round-answered` */
  async decline(deviceId: string, round: string, why: { code: string; reason: string }): Promise<void> {
    await this.database.transaction(async (sql) => {
      const own = await readParticipation(sql, round, deviceId, 'train', 'locked');
      if (own.state === 'DECLINED') return;
      if (!isOpenPart(own)) {
        throw conflict(
          'round-answered',
          `Expected a part in the round that is open, this device’s is ${own.state}. There is nothing left to decline.`,
        );
      }
      await sql.query(DECLINE, [round, deviceId, `${why.code}: ${why.reason}`]);
    });
  }
}

const isSameReport = (a: RoundEvaluationReport, b: RoundEvaluationReport): boolean =>
  a.update === b.update &&
  a.samples === b.samples &&
  (['base', 'candidate'] as const).every(
    (head) => a[head].correct === b[head].correct && a[head].loss === b[head].loss,
  );

const wrongWith = (report: RoundEvaluationReport, { round }: Participation): ProblemError | undefined => {
  if (report.update !== round.aggregate) {
    return badRequest(
      'evaluation-stale',
      `Expected an evaluation of the update ${round.aggregate}, got one of ${report.update}.`,
    );
  }
  const words = reportProblem(report);
  return words === undefined ? undefined : badRequest('evaluation-impossible', words);
};
