import { describe, expect, it } from 'vitest';
import { wholeFile } from '../testing/blob-server.ts';
import type { Manner } from '../testing/fake-slot.ts';
import type { SealedRelease } from '../testing/sealed-release.ts';
import { a, b, c, updateDevices } from '../testing/update-devices.ts';
import { assigned, candidateOf, PROBATION, preparing } from '../testing/update-rig.ts';

const { updating } = updateDevices();

describe('the power goes', () => {
  const BOUND = 200;

  it.each<[string, Manner, string, boolean]>([
    ['a good release', {}, 'SUCCEEDED', false],
    ['a release that is prepared first', {}, 'SUCCEEDED', true],
    ['a release that is prepared first and fails admission', { admission: ['too dark'] }, 'FAILED', true],
    ['a release that fails admission', { admission: ['too dark'] }, 'FAILED', false],
    ['a release that fails probation', { seen: { frames: 1, errors: 9 } }, 'ROLLED_BACK', false],
  ])('at any moment of an update to %s, and the device comes to the same end', async (_, manner, end, isPrepared) => {
    const expected = end === 'SUCCEEDED' ? b : a;
    let cutAfter = 0;
    for (; cutAfter < BOUND; cutAfter += 1) {
      const rig = await updating({ 'b@1.0.0': manner });
      if (isPrepared) rig.preparation = preparing(b);
      const { finished } = await rig.run(cutAfter);
      const last = await rig.run();
      const { state } = await rig.openJournal();
      const words = `cut after ${cutAfter} effects`;
      expect(state.committed?.digest, words).toBe(expected.held.digest);
      expect(last.slot.serves?.digest, words).toBe(expected.held.digest);
      expect(state, words).toMatchObject({ candidate: null, notices: [], endedExecutions: ['e1'] });
      // Its end may be said twice, never otherwise, and never without what is running.
      const ends = rig.reports.filter(({ state: one }) => ['SUCCEEDED', 'FAILED', 'ROLLED_BACK'].includes(one));
      expect(new Set(ends.map((one) => one.state)), words).toEqual(new Set([end]));
      expect(ends.at(-1)?.digest, words).toBe(expected.held.digest);
      // After a restart what is proven serves first, while it is not yet the new one that is.
      expect(last.slot.calls[0], words).toMatch(/^load [ab]@/);
      if (finished) break;
    }
    expect(cutAfter).toBeGreaterThan(10);
    expect(cutAfter).toBeLessThan(BOUND);
  });

  it('again and again during probation, and the release is given up', async () => {
    const rig = await updating({}, undefined, { ...PROBATION, seconds: 3_600 });
    for (let i = 0; i < 3; i += 1) {
      const { updater, slot } = await rig.start();
      const { signal } = new AbortController();
      while (slot.serves?.digest !== b.held.digest) await updater.step(signal);
    }
    const { slot, journal } = await rig.run();
    expect(slot.serves?.digest).toBe(a.held.digest);
    expect(journal.state).toMatchObject({ committed: a.held, candidate: null });
    expect(rig.reports.at(-1)).toMatchObject({ state: 'ROLLED_BACK', reason: { code: 'crash-loop' } });
  });
});

describe('another assignment', () => {
  const assign = (executionId: string, sealed: SealedRelease) => () => ({
    candidate: candidateOf(assigned(sealed, executionId)),
  });

  it('breaks off a download, and what was begun is not reported as failed', async () => {
    let requested = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      requested = resolve;
    });
    const rig = await updating({}, (response, start, path) => {
      if (path.endsWith(c.held.sha256)) return wholeFile(c.sealed)(response, start, path);
      response.write(b.sealed.subarray(0, 100));
      requested();
    });
    const { loop, journal, slot } = await rig.start();
    loop.wake();
    await asked;
    await journal.update(assign('e2', c));
    loop.replan();
    await expect.poll(() => rig.states('e2').at(-1)).toBe('SUCCEEDED');
    await loop.stop();
    expect(rig.states('e1')).toEqual(['DOWNLOADING']);
    expect(slot.serves?.digest).toBe(c.held.digest);
    expect(journal.state).toMatchObject({ committed: c.held, previous: a.held });
  });

  it('breaks off a probation: the proven release serves until the other one does', async () => {
    const rig = await updating({}, undefined, { ...PROBATION, seconds: 3_600 });
    const { loop, journal, slot } = await rig.start();
    loop.wake();
    await expect.poll(() => rig.states('e1').at(-1)).toBe('PROBATION');
    await journal.update(assign('e2', c));
    loop.replan();
    await expect.poll(() => rig.states('e2').at(-1)).toBe('SUCCEEDED');
    await loop.stop();
    expect(slot.calls.slice(4)).toEqual(['load a@1.0.0', 'serve a@1.0.0', 'load c@1.0.0', 'serve c@1.0.0']);
    expect(rig.states('e1')).not.toContain('ROLLED_BACK');
    expect(journal.state).toMatchObject({ committed: c.held, previous: a.held, endedExecutions: ['e2'] });
  });

  it('at the moment of the switch keeps the one before from serving', async () => {
    const rig = await updating();
    const { updater, journal, slot } = await rig.start();
    const { signal } = new AbortController();
    while (slot.admitted === null) await updater.step(signal);
    const inTheMiddle = journal.update(assign('e2', c));
    await updater.step(signal);
    await inTheMiddle;
    expect(slot.calls).not.toContain('serve b@1.0.0');
    expect(rig.states('e1')).not.toContain('PROBATION');
  });

  it('of the same release by another execution goes on with what serves', async () => {
    const rig = await updating({}, undefined, { ...PROBATION, seconds: 3_600 });
    const { loop, journal, slot } = await rig.start();
    loop.wake();
    await expect.poll(() => rig.states('e1').at(-1)).toBe('PROBATION');
    await journal.update(assign('e2', b));
    loop.replan();
    await expect.poll(() => rig.states('e2').at(-1)).toBe('SUCCEEDED');
    await loop.stop();
    expect(slot.calls.filter((call) => call.startsWith('load b'))).toHaveLength(1);
    expect(journal.state.committed).toEqual(b.held);
  });

  it('is not needed to end: a stop breaks off, and nothing has failed', async () => {
    const rig = await updating({}, undefined, { ...PROBATION, seconds: 3_600 });
    const { loop, journal } = await rig.start();
    loop.wake();
    await expect.poll(() => rig.states('e1').at(-1)).toBe('PROBATION');
    await loop.stop();
    expect(journal.state).toMatchObject({ candidate: { stage: 'probation', probationStarts: 1 }, notices: [] });
  });
});
