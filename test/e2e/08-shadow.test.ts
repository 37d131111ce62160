import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROBATION, TestFleet } from '../support/test-fleet.ts';

const waves = [{ size: '100%', soak: '0s' }];

describe('a release that devices try before they switch to it', () => {
  let fleet: TestFleet;

  beforeAll(async () => {
    fleet = await TestFleet.start();
    await fleet.push({ version: '1.0.0', manner: 'sure' });
    await fleet.addDevice('ana', 'rpi5');
    expect((await fleet.ended(await fleet.rollOut('1.0.0'))).state).toBe('FINISHED');
  });
  afterAll(() => fleet?.stop());

  const rollOutInShadow = (version: string): Promise<string> => {
    const shadow = { seconds: '30s', frames: 60, minAgreement: '90%' };
    return fleet.rollOut(version, waves, { strategy: { waves, deadline: '60s', probation: PROBATION, shadow } });
  };
  const executionOf = async (id: string) =>
    (await fleet.client.listExecutions({ params: { id } })).items.find(({ kind }) => kind === 'install');
  const show = async (): Promise<string> => {
    const [device] = await fleet.devices();
    return fleet.aviary('device', 'show', device?.id ?? '');
  };

  it('fails in shadow when it says something else than what serves, which is not touched', async () => {
    const [before] = await fleet.devices();
    await fleet.push({ version: '1.1.0', manner: 'contrary' });
    const id = await rollOutInShadow('1.1.0');
    expect(await fleet.ended(id)).toMatchObject({ waves: [{ counts: { FAILED: 1 } }] });
    expect(await executionOf(id)).toMatchObject({
      state: 'FAILED',
      shadow: { verdict: 'disagrees', frames: 60, agreement: 0, failed: 0 },
    });
    const [device] = await fleet.devices();
    expect(device?.running).toEqual(before?.running);
    // It has served without a break: nothing else was running at any time.
    const { items } = await fleet.client.deviceHistory({ params: { id: device?.id ?? '' } });
    expect(items.filter(({ kind }) => kind === 'runs').map(({ running }) => running?.release)).toEqual(['grey@1.0.0']);
    expect(device?.field.map(({ release }) => release)).toEqual(['grey@1.0.0']);
    expect(device?.field[0]).toMatchObject({ errors: 0 });
    const status = await fleet.aviary('rollout', 'status', id);
    expect(status).toContain('shadow-disagrees: agrees with grey@1.0.0 on 0 % of 60 frames');
    expect(status).toContain('0.0 % of 60, disagrees');
    expect(await show()).toMatch(/^shadow +grey@1\.1\.0: agrees with grey@1\.0\.0 on 0 % of 60 frames/m);
  });

  it('passes its stress, agrees in shadow, and says how far', async () => {
    await fleet.push({ version: '1.2.0', manner: 'sure', acceptance: { maxMemoryMB: 2_000, stressSeconds: 2 } });
    const id = await rollOutInShadow('1.2.0');
    expect((await fleet.ended(id)).state).toBe('FINISHED');
    expect(await executionOf(id)).toMatchObject({
      state: 'SUCCEEDED',
      reason: null,
      shadow: { verdict: 'agrees', frames: 60, agreement: 1 },
    });
    expect(await fleet.aviary('rollout', 'status', id)).toContain('100.0 % of 60');
    expect(await show()).toMatch(/^shadow +grey@1\.2\.0: agrees with grey@1\.0\.0 on 100 % of 60 frames/m);
    await fleet.allRun('grey@1.2.0');
  });

  it('never serves when it takes more memory than it may', async () => {
    await fleet.push({ version: '1.3.0', manner: 'sure', acceptance: { maxMemoryMB: 10 } });
    const id = await fleet.rollOut('1.3.0');
    expect(await fleet.ended(id)).toMatchObject({ waves: [{ counts: { FAILED: 1 } }] });
    const execution = await executionOf(id);
    expect(execution).toMatchObject({ state: 'FAILED', shadow: null });
    expect(execution?.reason).toMatch(/peak of its memory, in MB: expected at most 10, measured \d+/);
    await fleet.allRun('grey@1.2.0');
  });
});
