import { describe, expect, it } from 'vitest';
import { a, b, updateDevices } from '../testing/update-devices.ts';

const { updating } = updateDevices();
const SHORTAGE = 'it needs about 400 MB of memory beside it, and 90 MB are free';

describe('an update on a board whose memory holds one release', () => {
  it('ends what serves before the next one is loaded, says so, and compares with what that measured', async () => {
    const rig = await updating();
    rig.shortage = SHORTAGE;
    const { slot, journal } = await rig.run();
    expect(slot.calls).toEqual(['load a@1.0.0', 'serve a@1.0.0', 'serve none', 'load b@1.0.0', 'serve b@1.0.0']);
    expect(rig.events).toEqual(['serving-paused']);
    expect(rig.states('e1').at(-1)).toBe('SUCCEEDED');
    expect(journal.state).toMatchObject({ committed: b.held, previous: a.held });
  });

  it('judges latency on probation by what the one before had until it made room', async () => {
    const rig = await updating({ 'b@1.0.0': { seen: { p95Ms: 50 } } });
    rig.shortage = SHORTAGE;
    const { slot } = await rig.run();
    expect(rig.reports.find(({ state }) => state === 'ROLLED_BACK')?.reason).toMatchObject({
      code: 'latency',
      message: expect.stringContaining('5.0 times the 10.0 ms of the release before'),
    });
    expect(slot.serves?.release).toBe('a@1.0.0');
  });

  it('goes back to what served when the next one is not admitted', async () => {
    const rig = await updating({ 'b@1.0.0': { admission: ['wrong answers'] } });
    rig.shortage = SHORTAGE;
    const { slot, journal } = await rig.run();
    expect(slot.calls).toEqual([
      'load a@1.0.0',
      'serve a@1.0.0',
      'serve none',
      'load b@1.0.0',
      'load a@1.0.0',
      'serve a@1.0.0',
    ]);
    expect(rig.states('e1').at(-1)).toBe('FAILED');
    expect(journal.state).toMatchObject({ committed: a.held, candidate: null });
  });

  it('sees again first after a power cut, and comes to its end whenever that was', async () => {
    for (let cutAfter = 0; ; cutAfter += 1) {
      const rig = await updating();
      rig.shortage = SHORTAGE;
      const { finished } = await rig.run(cutAfter);
      if (finished) break;
      const { slot, journal } = await rig.run();
      expect(journal.state.committed).toEqual(b.held);
      expect(slot.serves?.release).toBe('b@1.0.0');
      expect(slot.calls[1]).toMatch(/^serve /);
    }
  });
});

describe('an update on a board whose accelerator takes one release', () => {
  const EXCLUDES = 'edgetpu can be used by one release at a time';

  it('ends what serves before the next one is loaded', async () => {
    const rig = await updating();
    rig.excludes = EXCLUDES;
    const { slot } = await rig.run();
    expect(slot.calls).toEqual(['load a@1.0.0', 'serve a@1.0.0', 'serve none', 'load b@1.0.0', 'serve b@1.0.0']);
    expect(rig.events).toEqual(['serving-paused']);
  });

  it('ends what fails on probation before the one before is loaded again', async () => {
    const rig = await updating({ 'b@1.0.0': { seen: { frames: 5, errors: 5 } } });
    rig.excludes = EXCLUDES;
    const { slot } = await rig.run();
    expect(slot.calls.slice(3)).toEqual([
      'load b@1.0.0',
      'serve b@1.0.0',
      'serve none',
      'load a@1.0.0',
      'serve a@1.0.0',
    ]);
    expect(rig.states('e1').at(-1)).toBe('ROLLED_BACK');
  });
});
