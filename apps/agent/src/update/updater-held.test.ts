import { access, writeFile } from 'node:fs/promises';
import type { SwitchTerms } from '@aviary/release';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Candidate } from '../state/journal.ts';
import { type Answer, wholeFile } from '../testing/blob-server.ts';
import type { SealedRelease } from '../testing/sealed-release.ts';
import { a, b, c, updateDevices } from '../testing/update-devices.ts';
import { assigned, candidateOf, PROBATION, type UpdateRig } from '../testing/update-rig.ts';

const { device, updating } = updateDevices();
afterEach(() => void vi.useRealTimers());

/** The device's clock, and only that. */
const clock = (text: string) => vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(text) });
const nightly: SwitchTerms = { mode: 'forced', window: { cron: '0 2 * * *', duration: 10_800, zone: 'device' } };
const refuse: Answer = (response) => void response.writeHead(503).end();

const wanted = (sealed: SealedRelease, executionId: string, terms: SwitchTerms): Candidate =>
  candidateOf(assigned(sealed, executionId, PROBATION, terms));

/** With `a` committed, and `b` assigned on these terms. */
const held = async (terms: SwitchTerms, answer?: Answer): Promise<UpdateRig> => {
  const rig = await updating({}, answer);
  await rig.write({ candidate: wanted(b, 'e1', terms) });
  return rig;
};

const reasons = (rig: UpdateRig) => rig.reports.flatMap(({ reason }) => reason?.message ?? []);

describe('a window that the device keeps to', () => {
  it('is waited for with the bytes here, over a restart and without a network, and then the device switches', async () => {
    clock('2026-03-01T10:00:00Z');
    let requests = 0;
    let away = false;
    const rig = await held(nightly, (response, start, path) => {
      requests += 1;
      (away ? refuse : wholeFile(b.sealed))(response, start, path);
    });
    const day = await rig.run();
    expect(day.slot.calls).toEqual(['load a@1.0.0', 'serve a@1.0.0']);
    expect(rig.states('e1')).toEqual(['DOWNLOADING', 'DOWNLOADED', 'DOWNLOADED']);
    expect(rig.reports.at(-1)?.reason).toEqual({
      code: 'waits-for-window',
      message: 'waits for its window, which opens at 2026-03-02T02:00:00.000Z',
    });
    away = true;
    clock('2026-03-02T01:59:59Z');
    expect((await rig.run()).slot.serves?.digest).toBe(a.held.digest);
    clock('2026-03-02T02:00:00Z');
    expect((await rig.run()).slot.serves?.digest).toBe(b.held.digest);
    expect(rig.states('e1').at(-1)).toBe('SUCCEEDED');
    expect(requests).toBe(1);
  });

  it('wakes the device by itself when it opens', async () => {
    clock('2026-03-02T01:59:59.700Z');
    const rig = await held(nightly);
    const { loop, slot } = await rig.start();
    loop.wake();
    await expect.poll(() => reasons(rig).length).toBe(1);
    clock('2026-03-02T02:00:00Z');
    await expect.poll(() => slot.serves?.digest).toBe(b.held.digest);
    await loop.stop();
  });

  it('that closes after admission leaves nothing of the release in memory', async () => {
    clock('2026-03-02T04:59:59Z');
    const rig = await held(nightly);
    const { updater, slot } = await rig.start();
    const { signal } = new AbortController();
    while (slot.admitted === null) await updater.step(signal);
    clock('2026-03-02T05:00:00Z');
    expect(await updater.step(signal)).toEqual({ lookAgainMs: 60_000 });
    expect(slot.admitted).toBeNull();
    expect(slot.inUse).toEqual([a.held.digest]);
    expect(slot.serves?.digest).toBe(a.held.digest);
  });

  it('that closes while the power is off during probation is waited for again', async () => {
    clock('2026-03-02T04:59:59Z');
    const rig = await updating({}, undefined, { ...PROBATION, seconds: 3_600 });
    await rig.write({
      candidate: {
        ...wanted(b, 'e1', nightly),
        release: { ...assigned(b, 'e1', { ...PROBATION, seconds: 3_600 }), terms: nightly },
      },
    });
    const { updater, slot } = await rig.start();
    const { signal } = new AbortController();
    while (slot.serves?.digest !== b.held.digest) await updater.step(signal);
    clock('2026-03-02T05:00:00Z');
    expect((await rig.run()).slot.serves?.digest).toBe(a.held.digest);
    expect(rig.states('e1').slice(-2)).toEqual(['PROBATION', 'DOWNLOADED']);
  });

  it('keeps no device blind that serves nothing', async () => {
    clock('2026-03-01T10:00:00Z');
    const rig = await device();
    await rig.write({ candidate: wanted(b, 'e1', nightly) });
    expect((await rig.run()).slot.serves?.digest).toBe(b.held.digest);
  });

  it('is not told by a clock that is known to be wrong, until it is set', async () => {
    clock('1970-01-01T02:30:00Z');
    const rig = await held(nightly);
    await rig.write({ timeFloor: Date.parse('2026-03-01T02:30:00Z') });
    expect((await rig.run()).slot.serves?.digest).toBe(a.held.digest);
    expect(reasons(rig)).toEqual(['waits for its window, and for its clock, which is behind what was signed']);
    clock('2026-03-01T02:45:00Z');
    expect((await rig.run()).slot.serves?.digest).toBe(b.held.digest);
  });
});

describe('consent', () => {
  const soft: SwitchTerms = { mode: 'soft' };

  it('is waited for, and counts over a restart', async () => {
    const rig = await held(soft);
    const first = await rig.run();
    expect(first.updater.waiting?.hold.waitsFor).toBe('consent');
    expect(first.slot.serves?.digest).toBe(a.held.digest);
    expect(rig.reports.at(-1)?.reason).toEqual({ code: 'waits-for-consent', message: 'waits for consent' });
    await first.holding.decide({ decision: 'allow' });
    const second = await rig.run();
    expect(second.slot.serves?.digest).toBe(b.held.digest);
    expect(second.updater.waiting).toBeNull();
  });

  it('may be given while the bytes still come, and taken back before the switch', async () => {
    const rig = await held(soft);
    const { holding, updater, slot } = await rig.start();
    await holding.decide({ decision: 'allow' });
    const { signal } = new AbortController();
    while (slot.admitted === null) await updater.step(signal);
    await holding.decide({ decision: 'later', seconds: 600 });
    expect(await updater.step(signal)).toEqual({ lookAgainMs: 60_000 });
    expect(slot.serves?.digest).toBe(a.held.digest);
    expect(updater.waiting?.hold.laterUntil).toBeGreaterThan(Date.now() + 590_000);
    await rig.run();
    expect(reasons(rig).at(-1)).toMatch(/^waits for consent; an application has put it off until 20/);
  });

  it('to one execution is none to the next', async () => {
    const rig = await held(soft);
    const { holding } = await rig.run();
    await holding.decide({ decision: 'allow' });
    await rig.write({ candidate: wanted(b, 'e2', soft) });
    expect((await rig.run()).slot.serves?.digest).toBe(a.held.digest);
  });

  it('is done without from the time on that was set', async () => {
    clock('2026-03-01T10:00:00Z');
    const rig = await held({ ...soft, forceAt: Date.parse('2026-03-01T12:00:00Z') });
    expect((await rig.run()).slot.serves?.digest).toBe(a.held.digest);
    clock('2026-03-01T12:00:00Z');
    expect((await rig.run()).slot.serves?.digest).toBe(b.held.digest);
  });

  it('is asked by no other update, and given to no other release than was asked about', async () => {
    const rig = await updating();
    const forced = await rig.start();
    await expect(forced.holding.decide({ decision: 'allow' })).rejects.toMatchObject({ code: 'consent-not-asked' });
    await rig.write({ candidate: wanted(b, 'e1', soft) });
    const { holding, journal } = await rig.run();
    const other = holding.decide({ decision: 'allow', release: 'c@1.0.0' });
    await expect(other).rejects.toMatchObject({ code: 'update-other', message: expect.stringContaining('b@1.0.0') });
    expect(journal.state.candidate).not.toHaveProperty('consent');
    await holding.decide({ decision: 'allow', release: 'b@1.0.0' });
    await rig.run();
    const done = await rig.start();
    await expect(done.holding.decide({ decision: 'later', seconds: 60 })).rejects.toMatchObject({
      code: 'consent-not-asked',
    });
  });

  it('is given at any moment at which the power may go, and the device comes to the same end', async () => {
    let cutAfter = 0;
    for (; cutAfter < 200; cutAfter += 1) {
      const rig = await held(soft);
      await rig.run(cutAfter);
      const { candidate } = (await rig.openJournal()).state;
      const waits = await rig.run();
      const words = `cut after ${cutAfter} effects`;
      expect(candidate?.release.executionId, words).toBe('e1');
      expect(waits.slot.serves?.digest, words).toBe(a.held.digest);
      await waits.holding.decide({ decision: 'allow' });
      const { finished } = await rig.run(cutAfter);
      const last = await rig.run();
      expect(last.slot.serves?.digest, words).toBe(b.held.digest);
      expect(last.journal.state, words).toMatchObject({ candidate: null, notices: [], endedExecutions: ['e1'] });
      if (finished) break;
    }
    expect(cutAfter).toBeGreaterThan(10);
    expect(cutAfter).toBeLessThan(200);
  });
});

describe('a release that is only to be fetched', () => {
  const staging: SwitchTerms = { mode: 'download-only' };

  it('is kept, and serves later without a download', async () => {
    let requests = 0;
    const rig = await held(staging, (response, start, path) => {
      requests += 1;
      if (requests > 1) return refuse(response, start, path);
      wholeFile(b.sealed)(response, start, path);
    });
    const first = await rig.run();
    expect(first.slot.calls).toEqual(['load a@1.0.0', 'serve a@1.0.0']);
    expect(rig.states('e1')).toEqual(['DOWNLOADING', 'DOWNLOADED', 'STAGED']);
    expect(rig.reports.at(-1)).toEqual({ executionId: 'e1', state: 'STAGED', digest: a.held.digest });
    expect(first.journal.state).toMatchObject({ committed: a.held, previous: null, staged: b.held, candidate: null });
    // The next start removes what no longer counts.
    await rig.run();
    await rig.write({ candidate: wanted(b, 'e2', { mode: 'forced' }) });
    const second = await rig.run();
    expect(second.slot.serves?.digest).toBe(b.held.digest);
    expect(second.journal.state).toMatchObject({ committed: b.held, previous: a.held, staged: null });
    expect(requests).toBe(1);
  });

  it('is staged again without a download', async () => {
    const rig = await held(staging, refuse);
    await rig.keep(b);
    await rig.run();
    expect(rig.states('e1').at(-1)).toBe('STAGED');
  });

  it('and serves already is so', async () => {
    const rig = await held(staging);
    await rig.write({ candidate: wanted(a, 'e1', staging) });
    const { journal } = await rig.run();
    expect(rig.reports).toEqual([{ executionId: 'e1', state: 'ALREADY_INSTALLED', digest: a.held.digest }]);
    expect(journal.state).toMatchObject({ committed: a.held, staged: null });
  });

  it('leaves its room to what is assigned next, and when its publisher stops it', async () => {
    const rig = await held(staging);
    const { store } = await rig.run();
    const path = store.sealedPath(b.held.sha256);
    await access(path);
    await rig.write({ stopped: ['b@1.0.0'] });
    await rig.run();
    await expect(access(path)).rejects.toThrow('ENOENT');
    await rig.keep(b);
    await rig.write({ stopped: [], staged: null, candidate: wanted(c, 'e2', { mode: 'forced' }) });
    const { slot } = await rig.run();
    expect(slot.serves?.digest).toBe(c.held.digest);
    await expect(access(path)).rejects.toThrow('ENOENT');
  });

  it('and is sealed to another device fails', async () => {
    const rig = await held(staging);
    const { candidate } = (await rig.openJournal()).state;
    if (candidate === null) throw new Error('a candidate was written');
    const foreign = Buffer.from('age-encryption.org/v1\n').toString('base64');
    await rig.write({ candidate: { ...candidate, release: { ...candidate.release, ageHeader: foreign } } });
    const { journal } = await rig.run();
    expect(rig.reports.at(-1)).toMatchObject({ state: 'FAILED', reason: { code: 'age-header-malformed' } });
    expect(journal.state.staged).toBeNull();
  });

  it('and whose bytes are worn out by then is fetched anew', async () => {
    let requests = 0;
    const rig = await held(staging, (response, start, path) => {
      requests += 1;
      wholeFile(b.sealed)(response, start, path);
    });
    const { store } = await rig.run();
    await writeFile(store.sealedPath(b.held.sha256), 'worn out');
    await rig.write({ candidate: wanted(b, 'e2', { mode: 'forced' }) });
    expect((await rig.run()).slot.serves?.digest).toBe(b.held.digest);
    expect(requests).toBe(2);
  });
});
