import { rm, symlink, writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Answer, blobServers, wholeFile } from '../testing/blob-server.ts';
import type { Manner } from '../testing/fake-slot.ts';
import { type SealedRelease, sealRelease } from '../testing/sealed-release.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { assigned, PROBATION, UpdateRig } from '../testing/update-rig.ts';

const makeFolder = temporaryFolders();
const serve = blobServers();
let a: SealedRelease;
let b: SealedRelease;
let c: SealedRelease;
beforeAll(async () => {
  a = await sealRelease('a@1.0.0', { releaseCounter: 1 });
  b = await sealRelease('b@1.0.0', { releaseCounter: 2, rollbackFloor: 1 });
  c = await sealRelease('c@1.0.0', { releaseCounter: 3 });
});

/** A device with a control plane that has all three releases, or answers otherwise. */
const device = async (manners: Readonly<Record<string, Manner>> = {}, answer?: Answer) => {
  const blobs: Answer = (response, start, path) => {
    const release = [a, b, c].find(({ held }) => path.endsWith(held.sha256));
    wholeFile(release?.sealed ?? Buffer.alloc(0))(response, start, path);
  };
  const server = await serve(answer ?? blobs);
  const rig = new UpdateRig(await makeFolder(), server, manners);
  return { rig, server };
};

/** The same, with `a` committed and `b` assigned by execution e1. */
const updating = async (manners: Readonly<Record<string, Manner>> = {}, answer?: Answer, probation = PROBATION) => {
  const { rig, server } = await device(manners, answer);
  await rig.keep(a);
  const candidate = { release: assigned(b, 'e1', probation), stage: 'assigned' as const, probationStarts: 0 };
  await rig.write({ committed: a.held, candidate });
  return { rig, server };
};

const reasonOf = (rig: UpdateRig) => rig.reports.find(({ reason }) => reason !== undefined)?.reason;

describe('an update', () => {
  it('goes its whole way: serves meanwhile, reports each state, commits, and keeps the one before', async () => {
    const { rig } = await updating();
    const { slot, journal } = await rig.run();
    expect(slot.calls).toEqual(['load a@1.0.0', 'serve a@1.0.0', 'load b@1.0.0', 'serve b@1.0.0']);
    expect(rig.states('e1')).toEqual(['DOWNLOADING', 'DOWNLOADED', 'VERIFIED', 'INSTALLING', 'PROBATION', 'SUCCEEDED']);
    expect(rig.reports.at(-1)).toEqual({ executionId: 'e1', state: 'SUCCEEDED', digest: b.held.digest });
    expect(journal.state).toMatchObject({
      committed: b.held,
      previous: a.held,
      candidate: null,
      committedP95Ms: 10,
      rollbackFloor: 1,
      endedExecutions: ['e1'],
      notices: [],
    });
    expect(journal.state.committed).not.toHaveProperty('executionId');
  });

  it('is the first release of a device', async () => {
    const { rig } = await device();
    await rig.write({ candidate: { release: assigned(b, 'e1'), stage: 'assigned', probationStarts: 0 } });
    const { slot, journal } = await rig.run();
    expect(slot.calls).toEqual(['load b@1.0.0', 'serve b@1.0.0']);
    expect(journal.state).toMatchObject({ committed: b.held, previous: null });
  });

  it('to what is committed already is confirmed without touching it', async () => {
    const { rig } = await device();
    await rig.keep(a);
    const candidate = { release: assigned(a, 'e1'), stage: 'assigned' as const, probationStarts: 0 };
    await rig.write({ committed: a.held, candidate });
    const { slot } = await rig.run();
    expect(slot.calls).toEqual(['load a@1.0.0', 'serve a@1.0.0']);
    expect(rig.reports).toEqual([{ executionId: 'e1', state: 'SUCCEEDED', digest: a.held.digest }]);
  });

  const failures: [string, Manner, string, string, RegExp, string[]][] = [
    ['does not load', { failsToLoad: 'no such operator' }, 'FAILED', 'admission-did-not-run', /no such operator/, []],
    ['fails its admission', { admission: ['too dark', 'too slow'] }, 'FAILED', 'admission', /too dark; too slow/, []],
    [
      'fails frames on probation',
      { seen: { frames: 5, errors: 5 } },
      'ROLLED_BACK',
      'error-rate',
      /5 of 10 frames/,
      ['serve b@1.0.0', 'load a@1.0.0', 'serve a@1.0.0'],
    ],
    [
      'is slow on probation',
      { seen: { p95Ms: 31 } },
      'ROLLED_BACK',
      'latency',
      /3\.1 times the 10\.0 ms/,
      ['serve b@1.0.0', 'load a@1.0.0', 'serve a@1.0.0'],
    ],
    [
      'dies on probation',
      { diesServing: true },
      'ROLLED_BACK',
      'worker-lost',
      /signal SIGKILL/,
      ['serve b@1.0.0', 'load a@1.0.0', 'serve a@1.0.0'],
    ],
  ];
  it.each(failures)(
    'that %s leaves the one before serving, and says why',
    async (_, manner, state, code, words, then) => {
      const { rig } = await updating({ 'b@1.0.0': manner });
      const { slot, journal } = await rig.run();
      expect(slot.serves?.digest).toBe(a.held.digest);
      expect(slot.calls.slice(3)).toEqual(then);
      expect(rig.reports.at(-1)).toMatchObject({ executionId: 'e1', state, reason: { code }, digest: a.held.digest });
      expect(reasonOf(rig)?.message).toMatch(words);
      expect(journal.state).toMatchObject({ committed: a.held, candidate: null, endedExecutions: ['e1'], notices: [] });
    },
  );

  it('that fails the probation of the very first release leaves nothing serving, and is no rollback', async () => {
    const { rig } = await device({ 'b@1.0.0': { seen: { frames: 0, errors: 10 } } });
    await rig.write({ candidate: { release: assigned(b, 'e1'), stage: 'assigned', probationStarts: 0 } });
    const { slot, journal } = await rig.run();
    expect(slot.calls).toEqual(['load b@1.0.0', 'serve b@1.0.0', 'serve none']);
    expect(rig.reports.at(-1)).toMatchObject({ state: 'FAILED', reason: { code: 'error-rate' } });
    expect(rig.reports.at(-1)).not.toHaveProperty('digest');
    expect(journal.state).toMatchObject({ committed: null, candidate: null });
  });

  it('that a stranger signed is rejected', async () => {
    const evil = await sealRelease('b@1.0.0', { manifest: { release: 'c@1.0.0' } });
    const { rig } = await updating({}, wholeFile(evil.sealed));
    await rig.write({ candidate: { release: assigned(evil, 'e1'), stage: 'assigned', probationStarts: 0 } });
    const { slot } = await rig.run();
    expect(rig.reports.at(-1)).toMatchObject({ state: 'REJECTED', digest: a.held.digest });
    expect(slot.calls).toEqual(['load a@1.0.0', 'serve a@1.0.0']);
  });

  it('whose bytes are not what was signed fails', async () => {
    const { rig } = await updating({}, (response) => response.end(Buffer.alloc(b.sealed.length)));
    await rig.run();
    expect(rig.reports.at(-1)).toMatchObject({ state: 'FAILED', reason: { code: 'download-corrupt' } });
  });

  it('that the disk does not take fails', async () => {
    const { rig } = await updating();
    const { store } = await rig.start();
    await symlink('/dev/full', `${store.sealedPath(b.held.sha256)}.part`);
    await rig.run();
    expect(rig.reports.at(-1)).toMatchObject({ state: 'FAILED', reason: { code: 'disk-failed' } });
    expect(reasonOf(rig)?.message).toContain('ENOSPC');
  });

  it('that is begun again and again and takes the agent down each time is given up', async () => {
    const { rig } = await updating();
    await rig.keep(b);
    const candidate = { release: assigned(b, 'e1'), stage: 'probation' as const, probationStarts: 3 };
    await rig.write({ candidate });
    const { slot } = await rig.run();
    expect(slot.calls).not.toContain('serve b@1.0.0');
    expect(rig.reports.at(-1)).toMatchObject({ state: 'ROLLED_BACK', reason: { code: 'crash-loop' } });
  });

  it('does not say for days that it is still being fetched', async () => {
    const { rig } = await updating({}, (response) => response.writeHead(503).end());
    const { updater } = await rig.start();
    const { signal } = new AbortController();
    expect(await updater.step(signal)).toBe(true);
    for (let i = 0; i < 5; i += 1) await expect(updater.step(signal)).rejects.toThrow();
    expect(rig.states('e1')).toEqual(['DOWNLOADING']);
  });
});

describe('the power goes', () => {
  const BOUND = 200;

  it.each<[string, Manner, string]>([
    ['a good release', {}, 'SUCCEEDED'],
    ['a release that fails admission', { admission: ['too dark'] }, 'FAILED'],
    ['a release that fails probation', { seen: { frames: 1, errors: 9 } }, 'ROLLED_BACK'],
  ])('at any moment of an update to %s, and the device comes to the same end', async (_, manner, end) => {
    const expected = end === 'SUCCEEDED' ? b : a;
    let cutAfter = 0;
    for (; cutAfter < BOUND; cutAfter += 1) {
      const { rig } = await updating({ 'b@1.0.0': manner });
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
    const { rig } = await updating({}, undefined, { ...PROBATION, seconds: 3_600 });
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
    candidate: { release: assigned(sealed, executionId), stage: 'assigned' as const, probationStarts: 0 },
  });

  it('breaks off a download, and what was begun is not reported as failed', async () => {
    let requested = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      requested = resolve;
    });
    const { rig } = await updating({}, (response, start, path) => {
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
    const { rig } = await updating({}, undefined, { ...PROBATION, seconds: 3_600 });
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
    const { rig } = await updating();
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
    const { rig } = await updating({}, undefined, { ...PROBATION, seconds: 3_600 });
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
    const { rig } = await updating({}, undefined, { ...PROBATION, seconds: 3_600 });
    const { loop, journal } = await rig.start();
    loop.wake();
    await expect.poll(() => rig.states('e1').at(-1)).toBe('PROBATION');
    await loop.stop();
    expect(journal.state).toMatchObject({ candidate: { stage: 'probation', probationStarts: 1 }, notices: [] });
  });
});

describe('a release that was proven', () => {
  it('and does not serve any more gives way to the one before', async () => {
    const { rig } = await device({ 'b@1.0.0': { failsToLoad: 'out of memory' } });
    await rig.keep(a, b);
    await rig.write({ committed: b.held, previous: a.held });
    const { slot } = await rig.run();
    expect(slot.serves?.digest).toBe(a.held.digest);
    expect(rig.events).toEqual(['release-unservable']);
  });

  it('is fetched again where its bytes were damaged', async () => {
    const { rig } = await device();
    await rig.keep(a);
    const { store } = await rig.start();
    await writeFile(store.sealedPath(a.held.sha256), 'worn out');
    await rig.write({ committed: a.held });
    const { slot } = await rig.run();
    expect(slot.serves?.digest).toBe(a.held.digest);
    await rm(store.sealedPath(a.held.sha256));
    expect((await rig.run()).slot.serves?.digest).toBe(a.held.digest);
  });

  it('is tried again later when there is no other, and said once', async () => {
    const { rig } = await device({ 'a@1.0.0': { failsToLoad: 'out of memory' } });
    await rig.keep(a);
    await rig.write({ committed: a.held });
    const { updater } = await rig.start();
    const { signal } = new AbortController();
    expect(await updater.step(signal)).toBe(true);
    for (let i = 0; i < 3; i += 1) await expect(updater.step(signal)).rejects.toThrow('out of memory');
    expect(rig.events).toEqual(['release-unservable']);
  });

  it('gives way although the disk takes no decision', async () => {
    const { rig } = await device({ 'b@1.0.0': { failsToLoad: 'out of memory' } });
    await rig.keep(a, b);
    await rig.write({
      committed: b.held,
      previous: a.held,
      notices: [{ executionId: 'e0', state: 'SUCCEEDED' }],
    });
    const { updater, slot, journal } = await rig.start();
    journal.update = async () => {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    };
    const { signal } = new AbortController();
    for (let i = 0; i < 2; i += 1) expect(await updater.step(signal)).toBe(true);
    expect(slot.serves?.digest).toBe(a.held.digest);
    // The spool has the notice; it is not put into it again and again.
    for (let i = 0; i < 3; i += 1) await expect(updater.step(signal)).rejects.toThrow('no space');
    expect(rig.states('e0')).toEqual(['SUCCEEDED']);
  });

  it('is quarantined, gives way also after a restart, and is not what a later release goes back to', async () => {
    const { rig } = await device();
    await rig.keep(a, b);
    await rig.write({ committed: b.held, previous: a.held });
    const { updater } = await rig.start();
    await updater.quarantine(b.held);
    await updater.quarantine(b.held);
    const { slot, journal } = await rig.run();
    expect(slot.serves?.digest).toBe(a.held.digest);
    expect(journal.state.quarantined).toEqual([b.held.digest]);
    await rig.write({ candidate: { release: assigned(c, 'e1'), stage: 'assigned', probationStarts: 0 } });
    const later = await rig.run();
    expect(later.journal.state).toMatchObject({ committed: c.held, previous: a.held });
  });

  it('that stands below the floor is not gone back to', async () => {
    const { rig } = await device({ 'b@1.0.0': { failsToLoad: 'out of memory' } });
    await rig.keep(a, b);
    await rig.write({ committed: b.held, previous: a.held, rollbackFloor: 2 });
    const { updater, slot } = await rig.start();
    const { signal } = new AbortController();
    await updater.step(signal);
    await expect(updater.step(signal)).rejects.toThrow('out of memory');
    expect(slot.serves).toBeNull();
  });
});
