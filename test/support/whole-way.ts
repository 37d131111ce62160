import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type TestFleet, until } from './test-fleet.ts';

/**
 * The whole way of a release and back, for every broker that can stand between devices and gateways.
 * @param start a fleet without devices
 */
export const describeWholeWay = (name: string, start: () => Promise<TestFleet>): void => {
  describe(`the whole way ${name}`, () => {
    let fleet: TestFleet;

    beforeAll(async () => {
      fleet = await start();
      await Promise.all([
        fleet.addDevice('one', 'rpi4'),
        fleet.addDevice('two', 'x86-64'),
        fleet.addDevice('three', 'rpi5'),
      ]);
    });
    afterEach(({ task }) => {
      if (task.result?.state === 'fail') return fleet.lastWords().then(console.error);
    });
    afterAll(() => fleet?.stop());

    it('recognises the boards and sees them online', async () => {
      const devices = await until('three devices online', 20, async () => {
        const { items } = await fleet.client.listDevices({ query: { selector: 'presence=online' } });
        return items.length === 3 ? items : undefined;
      });
      expect(devices.map(({ profile }) => profile).sort()).toEqual(['rpi4', 'rpi5', 'x86-64']);
      expect(devices.every(({ labels }) => labels.site === 'test')).toBe(true);
    });

    it('brings a signed and sealed release to every device, which proves and measures it', async () => {
      await fleet.push({ version: '1.0.0', manner: 'sure' });
      const rollout = await fleet.ended(
        await fleet.rollOut('1.0.0', [
          { size: 1, soak: '0s' },
          { size: '100%', soak: '0s' },
        ]),
      );
      expect(rollout.state).toBe('FINISHED');
      expect(rollout.waves.map(({ state, counts }) => [state, counts])).toEqual([
        ['PASSED', { SUCCEEDED: 1 }],
        ['PASSED', { SUCCEEDED: 2 }],
      ]);
      await fleet.allRun('grey@1.0.0');
      const measured = await until('measurements from the field', 15, async () => {
        const { field } = await fleet.client.showRelease({ params: { release: 'grey@1.0.0' } });
        return field.devices === 3 && field.labelled >= 60 ? field : undefined;
      });
      expect(measured.correct).toBe(measured.labelled);
      expect(measured.lowConfidence).toBe(0);
    });

    it('asks a device what the operators of its release cost', async () => {
      const { items } = await fleet.client.listDevices({ query: { limit: 10 } });
      const id = items[0]?.id ?? '';
      const asked = await fleet.client.requestOperatorProfile({ params: { id }, body: { frames: 5 } });
      const answered = await until('its operator profile', 30, async () => {
        const [newest] = (await fleet.client.listOperatorProfiles({ params: { id } })).items;
        return newest?.state === 'WAITING' ? undefined : newest;
      });
      expect(answered).toMatchObject({ id: asked.id, state: 'DONE', refusal: null });
      expect(answered.profile).toMatchObject({ release: 'grey@1.0.0', provider: 'cpu', frames: 5, runs: 5 });
      expect(answered.profile?.operatorUs).toBeLessThanOrEqual(answered.profile?.runUs ?? 0);
    });

    it('takes back a release that passes its own suite and is unsure in the field', async () => {
      await fleet.push({ version: '1.1.0', manner: 'unsure' });
      const rollout = await fleet.ended(
        await fleet.rollOut('1.1.0', [
          { size: 1, soak: '0s' },
          { size: '100%', soak: '0s' },
        ]),
      );
      expect(rollout.state).toBe('ROLLED_BACK');
      expect(rollout.waves.map(({ state }) => state)).toEqual(['FAILED', 'SCHEDULED']);
      const { items } = await fleet.client.listExecutions({ params: { id: rollout.id } });
      const installs = items.filter(({ kind }) => kind === 'install');
      expect(installs).toHaveLength(1);
      expect(installs[0]).toMatchObject({ state: 'ROLLED_BACK', from: 'grey@1.0.0' });
      const failed = await fleet.client.listExecutions({ params: { id: rollout.id }, query: { outcome: 'failed' } });
      expect(failed.items).toEqual(installs);
      const open = await fleet.client.listExecutions({ params: { id: rollout.id }, query: { outcome: 'open' } });
      expect(open.items).toEqual([]);
      expect(installs[0]?.reason).toMatch(/low confidence on 100 % of \d+ frames, at most 30 % allowed/);
      await fleet.allRun('grey@1.0.0');
    });

    it('undoes a finished rollout by hand', async () => {
      await fleet.push({ version: '1.2.0', manner: 'sure' });
      const id = await fleet.rollOut('1.2.0');
      expect((await fleet.ended(id)).state).toBe('FINISHED');
      await fleet.allRun('grey@1.2.0');
      await fleet.aviary('rollout', 'undo', id.slice(0, 8), '--yes');
      const undone = await fleet.ended(id);
      expect(undone.state).toBe('ROLLED_BACK');
      expect(undone.rollback?.counts).toEqual({ SUCCEEDED: 3 });
      await fleet.allRun('grey@1.0.0');
    });

    it('stores telemetry without a hole', async () => {
      expect(await fleet.holes()).toEqual([]);
    });
  });
};
