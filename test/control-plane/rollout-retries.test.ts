import { describe, expect, it } from 'vitest';
import { BEFORE, type ExecutionRow, rolloutRig } from '../support/rollout-rig.ts';
import { insertRollout } from '../support/rows.ts';

const rig = rolloutRig();
const { addFleet, create, settle, inState, report, show } = rig;

describe('retries', () => {
  it('tells a failed device again, as often as was asked and after a while', async () => {
    await addFleet(1);
    const id = await create({ waves: [{ size: '100%' }], retries: 1 });
    await settle(id);
    const [first] = await inState(id, 'NOTIFIED');
    if (first === undefined) throw new Error('expected one to be told');
    await report(first, 'FAILED');
    const [waiting] = await inState(id, 'QUEUED');
    expect(waiting?.reason).toBe('try 1 failed: the mirror was down');
    expect(Number(waiting?.notBefore) - Date.now()).toBeGreaterThan(50_000);
    await settle(id);
    expect(await inState(id, 'QUEUED')).toHaveLength(1);

    await rig.t.query(`update execution set not_before = now()`);
    await settle(id);
    const [second] = await inState(id, 'NOTIFIED');
    if (second === undefined) throw new Error('expected it to be told again');
    // What it still says of the first try moves nothing.
    await report(first, 'SUCCEEDED');
    expect(await inState(id, 'NOTIFIED')).toHaveLength(1);
    await report(second, 'FAILED');
    expect(await inState(id, 'FAILED')).toHaveLength(1);
  });
});

describe('a retry on a person’s word', () => {
  const failTwo = async () => {
    await addFleet(4);
    const id = await create({ waves: [{ size: '100%', soak: '1h' }], retries: 1 });
    await settle(id);
    await rig.t.query(`update execution set failed_tries = 1`);
    const [first, second, third, fourth] = await inState(id, 'NOTIFIED');
    if (!first || !second || !third || !fourth) throw new Error('expected four to be told');
    await report(first, 'FAILED');
    await report(second, 'REJECTED');
    await rig.t.query(`update execution set deadline_at = now() - interval '1 s' where id = $1`, [third.id]);
    await rig.t.database.transaction((sql) => rig.services.executions.expire(sql));
    await report(fourth, 'SUCCEEDED');
    await settle(id);
    expect(await show(id)).toMatchObject({ state: 'RUNNING', waves: [{ state: 'SOAKING' }] });
    return { id, first };
  };
  const ids = (rows: readonly ExecutionRow[]) => rows.map(({ deviceId }) => deviceId);

  it('takes what failed or timed out, once, and judges its wave anew', async () => {
    const { id, first } = await failTwo();
    const { retried, more, rollout } = await rig.services.retries.retry(id, undefined, 'ana');
    expect([retried, more, rollout.waves[0]?.state]).toEqual([2, false, 'RUNNING']);
    expect(rollout.waves[0]).toMatchObject({ soakUntil: null, counts: { QUEUED: 2, REJECTED: 1, SUCCEEDED: 1 } });
    expect((await rig.services.retries.retry(id, undefined, 'ana')).retried).toBe(0);
    expect((await inState(id, 'QUEUED'))[0]?.reason).toBe(
      'tried again, as ana has asked; before: FAILED, the mirror was down',
    );
    await settle(id);
    const told = await inState(id, 'NOTIFIED');
    expect(ids(told)).toEqual(['d-00', 'd-02']);
    // What it still says of the try before moves nothing.
    await report(first, 'SUCCEEDED');
    expect(await inState(id, 'NOTIFIED')).toHaveLength(2);
    for (const execution of told) await report(execution, 'SUCCEEDED');
    await settle(id);
    const { waves, history } = await show(id);
    expect(waves[0]).toMatchObject({ state: 'SOAKING', counts: { SUCCEEDED: 3, REJECTED: 1 } });
    expect(history.filter(({ by }) => by !== null).map(({ by, message }) => `${by}: ${message}`)).toEqual([
      'ana: created: meter@2.0.0 to all, 4 devices in 1 waves',
      'ana: 2 devices get a new try',
      'ana: wave 1: RUNNING, devices are tried again, as ana has asked',
    ]);
  });

  it('takes who succeeded and then ran something else', async () => {
    const { id } = await failTwo();
    await rig.t.database.transaction((sql) => rig.services.executions.noticeRunning(sql, 'd-03', BEFORE));
    expect((await rig.services.retries.retry(id, ['d-03'], 'ana')).retried).toBe(1);
    const [again] = await inState(id, 'QUEUED');
    expect(again).toMatchObject({
      deviceId: 'd-03',
      reason: 'tried again, as ana has asked; before: SUCCEEDED, and then it ran something else',
    });
    await settle(id);
    expect(ids(await inState(id, 'NOTIFIED'))).toEqual(['d-03']);
    expect(await rig.t.query('select 1 from execution where diverged')).toEqual([]);
  });

  it('takes who refused the release only by name, and names all that it cannot take', async () => {
    const { id } = await failTwo();
    const ask = (...devices: string[]) => rig.services.retries.retry(id, devices, 'ana');
    await expect(ask('d-01', 'd-03', 'd-77')).rejects.toMatchObject({
      code: 'device-not-retried',
      message: expect.stringMatching(
        /d-03 has ended here as SUCCEEDED; d-77 has no part in this rollout\. Nothing was/,
      ),
    });
    expect(await inState(id, 'QUEUED')).toEqual([]);
    expect((await ask('d-01')).retried).toBe(1);
    expect(ids(await inState(id, 'QUEUED'))).toEqual(['d-01']);
    expect(ids(await inState(id, 'FAILED'))).toEqual(['d-00']);
  });

  it('leaves alone who was superseded, revoked, or moved on by a later rollout', async () => {
    const { id } = await failTwo();
    await rig.t.query(
      `update execution set state = 'CANCELED', reason_code = 'superseded', reason = 'r wins' where device_id = 'd-00'`,
    );
    const later = await insertRollout(rig.t, BEFORE, 'FINISHED');
    await rig.t.query(`update assignment set rollout_id = $1 where device_id = 'd-02'`, [later]);
    expect((await rig.services.retries.retry(id, undefined, 'ana')).retried).toBe(0);
    await expect(rig.services.retries.retry(id, ['d-00', 'd-02'], 'ana')).rejects.toThrow(
      'd-00 was left to another rollout: r wins; d-02 was decided about by a later rollout',
    );
  });

  it('of a rollout that has ended is refused, with what to do instead', async () => {
    const { id } = await failTwo();
    await rig.t.query(`update rollout set state = 'FINISHED' where id = $1`, [id]);
    await expect(rig.services.retries.retry(id, undefined, 'ana')).rejects.toThrow(
      `Expected a rollout that is RUNNING or PAUSED for retry; this one is FINISHED. It has ended, so bring the release to those that are left, d-00, d-02, by a new one: aviary rollout create --release meter@2.0.0 --target 'id in (d-00, d-02)'`,
    );
  });

  it('shows who waits for what, and what went wrong, by reason', async () => {
    const { id } = await failTwo();
    const { troubles, waits, rate } = await show(id);
    expect(troubles.map(({ state, code, devices, names }) => [state, code, devices, names])).toEqual([
      ['FAILED', 'download-failed', 1, ['name of d-00']],
      ['REJECTED', null, 1, ['name of d-01']],
      ['TIMED_OUT', 'deadline', 1, ['name of d-02']],
    ]);
    expect([waits, rate]).toEqual([[], null]);
    await rig.services.rollouts.act(id, 'pause', 'ben');
    await rig.services.retries.retry(id, ['d-00'], 'ana');
    await rig.t.query(`update execution set reason = null where state = 'QUEUED'`);
    expect((await show(id)).waits).toEqual([{ reason: 'waits until the rollout goes on', devices: 1, until: null }]);
    expect(await show(id)).toMatchObject({ reason: 'paused by ben' });
  });
});
