import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '../../apps/agent/src/testing/local-client.ts';
import { PROBATION, TestFleet, until } from '../support/test-fleet.ts';

const waves = [{ size: '100%', soak: '0s' }];

describe('a release that devices do not simply switch to', () => {
  let fleet: TestFleet;

  beforeAll(async () => {
    fleet = await TestFleet.start();
    await fleet.push({ version: '1.0.0', manner: 'sure' });
    await fleet.push({ version: '1.1.0', manner: 'sure' });
    await fleet.addDevice('ana', 'rpi5');
    expect((await fleet.ended(await fleet.rollOut('1.0.0'))).state).toBe('FINISHED');
  });
  afterAll(() => fleet?.stop());

  const executionsOf = async (id: string) => (await fleet.client.listExecutions({ params: { id } })).items;

  it('is fetched and kept by download-only, which changes nothing else and has nothing to undo', async () => {
    const id = await fleet.rollOut('1.1.0', waves, { strategy: { waves, mode: 'download-only', deadline: '60s' } });
    const rollout = await fleet.ended(id);
    expect(rollout).toMatchObject({ state: 'FINISHED', waves: [{ state: 'PASSED', counts: { STAGED: 1 } }] });
    expect(await fleet.aviary('rollout', 'status', id)).toContain('1 staged');
    const [device] = await until('what ran assigned again', 30, async () => {
      const devices = await fleet.devices();
      return devices.every(({ assigned }) => assigned === 'grey@1.0.0') ? devices : undefined;
    });
    expect(device?.running?.release).toBe('grey@1.0.0');
    expect(await executionsOf(id)).toMatchObject([{ state: 'STAGED', diverged: false, from: 'grey@1.0.0' }]);
    await fleet.client.actOnRollout({ params: { id, action: 'undo' } });
    expect(await fleet.ended(id)).toMatchObject({ state: 'ROLLED_BACK', rollback: null });
    expect(await fleet.agent('ana', 'status')).toMatch(/^staged +grey@1\.1\.0/m);
  });

  it('waits with soft until an application allows it, also over a restart, and needs no download any more', async () => {
    const blobs = join(fleet.data, 'blobs');
    for (const name of await readdir(blobs)) await rm(join(blobs, name), { recursive: true });
    const strategy = { waves, mode: 'soft', forceAfter: '4m', deadline: '5m', probation: PROBATION };
    const id = await fleet.rollOut('1.1.0', waves, { strategy });
    const waits = () =>
      until('a device that waits for consent', 30, async () => {
        const [execution] = await executionsOf(id);
        return execution?.state === 'DOWNLOADED' && execution.reason !== null ? execution : undefined;
      });
    expect((await waits()).reason).toMatch(/^waits for consent; goes on without it at /);
    expect(await fleet.aviary('rollout', 'status', id)).toContain('waits for consent');
    const [device] = await fleet.devices();
    expect(await fleet.aviary('device', 'show', device?.id ?? '')).toMatch(
      /^update +grey@1\.1\.0: downloaded, waits for consent/m,
    );

    const socket = fleet.socketOf('ana');
    await fleet.agents.get('ana')?.stop();
    fleet.startAgent('ana');
    const waiting = await until('the agent to say what waits', 30, async () => {
      const answer = await ask(socket, 'GET', '/v1/update').catch(() => undefined);
      return answer?.body.waiting ?? undefined;
    });
    expect(waiting).toMatchObject({ release: 'grey@1.1.0', waitsFor: 'consent', laterUntil: null });
    const later = await ask(socket, 'POST', '/v1/update', { decision: 'later', seconds: 3_600 });
    expect(later.body.waiting.laterUntil).toBeGreaterThan(Date.now());
    await until('the control plane to hear of it', 30, async () => {
      return (await executionsOf(id))[0]?.reason?.includes('put it off until') ? true : undefined;
    });
    const allowed = await ask(socket, 'POST', '/v1/update', { decision: 'allow', release: 'grey@1.1.0' });
    expect(allowed.status).toBe(200);
    expect(await fleet.ended(id)).toMatchObject({ state: 'FINISHED', waves: [{ counts: { SUCCEEDED: 1 } }] });
    expect((await executionsOf(id))[0]?.reason).toBeNull();
    await fleet.allRun('grey@1.1.0');
  });
});
