import { exampleFacts } from '@aviary/hardware';
import type { ExecutionState } from '@aviary/rollout';
import { describe, expect, it } from 'vitest';
import { BEFORE, rolloutRig } from '../support/rollout-rig.ts';
import { insertRelease } from '../support/rows.ts';

const rig = rolloutRig();
const { addFleet, create, settle, inState, report, show } = rig;

describe('the rate', () => {
  it('tells so many at once, and the others later', async () => {
    await addFleet(12);
    const id = await create({ waves: [{ size: '100%' }], rate: { perMinute: 24, increase: 2, every: 4 } });
    await settle(id);
    expect(await inState(id, 'NOTIFIED')).toHaveLength(4);
    await settle(id);
    expect(await inState(id, 'QUEUED')).toHaveLength(8);

    // With four successes it is twice as fast: in ten seconds as many as eight.
    for (const execution of await inState(id, 'NOTIFIED')) await report(execution, 'SUCCEEDED');
    await rig.t.query(`update rollout set rate_at = rate_at - interval '10 seconds'`);
    await settle(id);
    expect(await inState(id, 'NOTIFIED')).toHaveLength(8);
  });
});

describe('a window', () => {
  it('is looked at where each device is', async () => {
    await addFleet(2);
    const hour = new Date().getUTCHours();
    // West of Greenwich by as many hours: there it is this hour of the day, at the one that is far away it is not.
    await rig.t.query(`update device set facts = $2 where id = $1`, [
      'd-01',
      JSON.stringify({ ...exampleFacts('rpi5'), timeZone: 'Pacific/Kiritimati' }),
    ]);
    const id = await create({
      waves: [{ size: '100%' }],
      window: { cron: `0 ${hour} * * *`, duration: '1h', zone: 'device' },
    });
    await settle(id);
    expect((await inState(id, 'NOTIFIED')).map(({ deviceId }) => deviceId)).toEqual(['d-00']);
    const [held] = await inState(id, 'QUEUED');
    expect(held).toMatchObject({ deviceId: 'd-01', reason: 'waits for its window' });
    // 14 hours ahead of UTC: the window there opens 10 hours after this hour of UTC began.
    const opens = new Date();
    opens.setUTCHours(hour + 10, 0, 0, 0);
    expect(held?.notBefore).toEqual(opens);
  });
});

describe('the terms of a switch', () => {
  const termsOf = async (deviceId: string) =>
    (await rig.t.query<{ terms: unknown }>('select terms from assignment where device_id = $1', [deviceId]))[0]?.terms;

  it('go to the device with its assignment, and are gone with it', async () => {
    await addFleet(1);
    const window = { cron: '* * * * *', duration: '1h', zone: 'UTC' };
    const id = await create({ waves: [{ size: '100%' }], mode: 'soft', window, forceAfter: '1h', deadline: '2h' });
    const before = Date.now();
    await settle(id);
    expect(await termsOf('d-00')).toEqual({
      mode: 'soft',
      window: { ...window, duration: 3_600 },
      forceAt: expect.closeTo(before + 3_600_000, -5),
    });
    const [told] = await inState(id, 'NOTIFIED');
    if (told === undefined) throw new Error('expected it to be told');
    await report(told, 'FAILED');
    expect(await termsOf('d-00')).toBeNull();
  });

  it('have how it is to run in shadow, and what came of that is kept, whatever follows', async () => {
    await addFleet(1);
    const shadow = { seconds: '2m', every: 5, minAgreement: '90%' };
    const id = await create({ waves: [{ size: '100%' }], shadow });
    await settle(id);
    expect(await termsOf('d-00')).toEqual({ mode: 'forced', shadow: { seconds: 120, every: 5, minAgreement: 0.9 } });
    const [told] = await inState(id, 'NOTIFIED');
    if (told === undefined) throw new Error('expected it to be told');
    const figures = { frames: 24, agreement: 0.5, lower: 0.31, upper: 0.69, failed: 1, dropped: 2, seconds: 120 };
    const seen = { verdict: 'disagrees', ...figures, words: 'agrees on half' } as const;
    const say = (state: ExecutionState, message: string, came?: typeof seen) => {
      const record = {
        type: 'execution',
        at: Date.now(),
        executionId: told.id,
        state,
        reason: { code: 'shadow', message },
        ...(came === undefined ? {} : { shadow: came }),
      } as const;
      return rig.services.database.transaction((sql) => rig.services.executions.report(sql, told.deviceId, record));
    };
    const view = async () => (await rig.services.rollouts.executions(id, { limit: 10 })).items[0];
    await say('INSTALLING', 'runs in shadow');
    expect(await view()).toMatchObject({ state: 'INSTALLING', reason: 'runs in shadow', shadow: null });
    // It has come no further, and says more.
    await say('INSTALLING', 'runs in shadow', seen);
    expect(await view()).toMatchObject({ state: 'INSTALLING', shadow: seen });
    await say('FAILED', 'it disagrees');
    expect(await view()).toMatchObject({ state: 'FAILED', reason: 'it disagrees', shadow: seen });
    const { items } = await rig.services.devicePages.executions(told.deviceId);
    expect(items[0]?.shadow).toEqual(seen);
  });

  it('are none where a device may switch as soon as it can', async () => {
    await addFleet(1);
    const id = await create({ waves: [{ size: '100%' }] });
    await settle(id);
    expect(await termsOf('d-00')).toBeNull();
  });

  it('let a device say why it waits, that it goes on, and at its deadline why it had waited', async () => {
    await addFleet(1);
    const id = await create({ waves: [{ size: '100%' }], mode: 'soft' });
    await settle(id);
    const [told] = await inState(id, 'NOTIFIED');
    if (told === undefined) throw new Error('expected it to be told');
    const say = (state: ExecutionState, message?: string) => {
      const reason = message === undefined ? {} : { reason: { code: 'waits-for-consent', message } };
      const record = { type: 'execution', at: Date.now(), executionId: told.id, state, ...reason } as const;
      return rig.services.database.transaction((sql) => rig.services.executions.report(sql, told.deviceId, record));
    };
    const reason = async () => (await inState(id, 'DOWNLOADED'))[0]?.reason;
    await say('DOWNLOADED');
    expect(await reason()).toBeNull();
    await say('DOWNLOADED', 'waits for consent');
    expect(await reason()).toBe('waits for consent');
    await say('VERIFIED');
    expect((await inState(id, 'VERIFIED'))[0]?.reason).toBeNull();
    // To have fetched it is no end where it was to be switched to.
    await say('STAGED');
    expect(await inState(id, 'VERIFIED')).toHaveLength(1);
    await say('DOWNLOADED', 'waits for consent');
    await rig.t.query('update execution set deadline_at = now()');
    await rig.services.database.transaction((sql) => rig.services.executions.expire(sql));
    expect((await inState(id, 'TIMED_OUT'))[0]?.reason).toBe(
      'said nothing final before its deadline (last state: DOWNLOADED, waits for consent)',
    );
  });

  it('of a download alone leave nothing to bring back, whoever was through with it and whoever was not', async () => {
    await addFleet(2);
    const id = await create({ waves: [{ size: '100%' }], mode: 'download-only' });
    await settle(id);
    const [through] = await inState(id, 'NOTIFIED');
    if (through === undefined) throw new Error('expected them to be told');
    await report(through, 'STAGED');
    const runs = 'select release from assignment where device_id = $1';
    expect(await rig.t.query(runs, [through.deviceId])).toEqual([{ release: BEFORE }]);
    await rig.services.database.transaction((sql) =>
      rig.services.executions.noticeRunning(sql, through.deviceId, BEFORE),
    );
    await rig.services.rollouts.act(id, 'undo', 'ana');
    await settle(id);
    expect(await rig.services.rollouts.show(id)).toMatchObject({
      state: 'ROLLED_BACK',
      rollback: null,
      waves: [{ counts: { STAGED: 1, CANCELED: 1 } }],
    });
    expect(await rig.t.query('select 1 from execution where diverged')).toEqual([]);
  });
});

describe('a required release', () => {
  it('is waited for, device by device, until the deadline', async () => {
    await addFleet(2);
    await insertRelease(rig.t, 'meter@1.5.0', 3);
    const id = await create({ waves: [{ size: '100%' }], deadline: '1h' }, { requires: 'meter@1.5.0' });
    await rig.t.query(`update device set running_release = 'meter@1.5.0' where id = 'd-00'`);
    await settle(id);
    expect((await inState(id, 'NOTIFIED')).map(({ deviceId }) => deviceId)).toEqual(['d-00']);
    const [waiting] = await inState(id, 'QUEUED');
    expect(waiting).toMatchObject({ deviceId: 'd-01', reason: 'waits for meter@1.5.0; it runs meter@1.0.0' });

    await rig.t.query(`update execution set deadline_at = now() - interval '1 s' where id = $1`, [waiting?.id]);
    await rig.t.database.transaction((sql) => rig.services.executions.expire(sql));
    expect(await inState(id, 'TIMED_OUT')).toMatchObject([
      { reason: 'waits for meter@1.5.0; it runs meter@1.0.0; its deadline has passed' },
    ]);
  });

  it('has to be there', async () => {
    await addFleet(1);
    await expect(create({ deadline: 0 }, { requires: 'meter@9.0.0' })).rejects.toMatchObject({
      code: 'rollout-spec-invalid',
      problems: [
        { path: 'strategy.deadline' },
        { path: 'requires', message: 'expected a release that was pushed, got "meter@9.0.0"' },
      ],
    });
  });
});

describe('approval', () => {
  const asked = { approval: 'required' };

  it('is a second person’s', async () => {
    await addFleet(1);
    const id = await create({}, asked, 'ana');
    await settle(id);
    expect(await show(id)).toMatchObject({ state: 'WAITING_FOR_APPROVAL', createdBy: 'ana' });
    await expect(rig.services.rollouts.act(id, 'approve', 'ana')).rejects.toMatchObject({
      code: 'approval-by-creator',
      status: 409,
    });
    expect((await rig.services.rollouts.act(id, 'approve', 'ben')).state).toBe('READY');
  });

  it('ends a rollout when it is denied', async () => {
    await addFleet(1);
    const id = await create({}, asked);
    expect((await rig.services.rollouts.act(id, 'deny', 'ben')).state).toBe('APPROVAL_DENIED');
    await expect(rig.services.rollouts.act(id, 'resume', 'ben')).rejects.toMatchObject({
      code: 'rollout-command-refused',
    });
  });
});
