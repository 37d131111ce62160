import type { RoundDecision } from '@aviary/federation';
import type { Sql } from '../../infra/database.ts';
import { aggregateRound } from './aggregator.ts';
import type { LoadedRound } from './round-snapshot.ts';

/** Somebody else has moved the round since it was read; whoever meant to move it looks again. */
export class RoundChangedError extends Error {
  readonly code = 'round-changed';
}

const CLAIM = `
  update federated_round set version = version + 1 where id = $1 and version = $2 and ended_at is null returning version`;

const SELECT = `
  insert into round_participant (round_id, device_id, part, state)
  select $1, id, $3, 'INVITED' from unnest($2::text[]) as t (id)`;

const INVITE = `
  insert into outbox (device_id, channel, payload)
  select device_id, 'doorbell', '{"reason":"round"}' from round_participant
  where round_id = $1 and part = $2 and state in ('INVITED', 'WORKING') order by device_id`;

const CLOSE = `
  update round_participant set state = 'SILENT', reason = $3, updated_at = now()
  where round_id = $1 and part = $2 and state in ('INVITED', 'WORKING')`;

const MOVE = `
  update federated_round set state = $2, deadline_at = to_timestamp($3::float8 / 1000), reason = $4 where id = $1`;

const END = `
  update federated_round set state = $2, reason = $3, deadline_at = null, ended_at = now() where id = $1`;

const FORGET = `
  update round_participant set update = null where round_id = $1 and update is not null returning device_id`;

/** Carries out what was decided about a round, in order, in the caller's transaction. */
export class RoundDecisionsApplier {
  /** @throws RoundChangedError when the round is not any more what it was when the decisions were made */
  async apply(sql: Sql, round: LoadedRound, decisions: readonly RoundDecision[]): Promise<void> {
    if (decisions.length === 0) return;
    const claimed = await sql.query(CLAIM, [round.id, round.version]);
    if (claimed.length === 0) {
      throw new RoundChangedError(`Expected round ${round.id} in version ${round.version}; it has changed since.`);
    }
    for (const decision of decisions) await this.applyOne(sql, round, decision);
  }

  private async applyOne(sql: Sql, round: LoadedRound, decision: RoundDecision): Promise<void> {
    const { id } = round;
    switch (decision.kind) {
      case 'select':
        await sql.query(SELECT, [id, decision.train, 'train']);
        await sql.query(SELECT, [id, decision.evaluate, 'evaluate']);
        break;
      case 'invite':
        await sql.query(INVITE, [id, decision.part]);
        break;
      case 'close-participants':
        await sql.query(CLOSE, [id, decision.part, decision.words]);
        break;
      case 'move':
        await sql.query(MOVE, [id, decision.state, decision.deadlineAt, decision.words]);
        await tell(sql, id, `${decision.state}: ${decision.words}`);
        break;
      case 'aggregate': {
        const { aggregate, bytes } = await aggregateRound(sql, round);
        await sql.query('update federated_round set aggregate = $2, aggregate_update = $3 where id = $1', [
          id,
          JSON.stringify(aggregate),
          Buffer.from(bytes),
        ]);
        const { sha256, updates, samples, clipped, clipNorm } = aggregate;
        await tell(
          sql,
          id,
          `summed ${updates} updates of ${samples} samples to ${sha256}; ${clipped} were shortened to length ${clipNorm.toPrecision(4)}`,
        );
        break;
      }
      case 'record-evaluation':
        await sql.query('update federated_round set evaluation = $2 where id = $1', [
          id,
          JSON.stringify(decision.evaluation),
        ]);
        break;
      case 'commit':
        await this.end(sql, id, 'COMMITTED', decision.words);
        break;
      case 'abandon':
        await this.end(sql, id, 'ABANDONED', decision.words);
        break;
    }
  }

  /** What devices sent is kept no longer than the round: a single device's update says more than the sum of many. */
  private async end(sql: Sql, id: string, state: 'COMMITTED' | 'ABANDONED', words: string): Promise<void> {
    await sql.query(END, [id, state, words]);
    await tell(sql, id, `${state}: ${words}`);
    const forgotten = await sql.query(FORGET, [id]);
    if (forgotten.length > 0) {
      await tell(
        sql,
        id,
        `deleted the ${forgotten.length} updates that devices had sent; their digests, lengths and sample counts are kept`,
      );
    }
  }
}

const tell = async (sql: Sql, id: string, message: string): Promise<void> => {
  await sql.query('insert into round_history (round_id, message) values ($1, $2)', [id, message]);
};
