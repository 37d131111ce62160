import { symlink } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { PrepareError } from '../inference/sidecar/prepare-model.ts';
import { wholeFile } from '../testing/blob-server.ts';
import type { Manner } from '../testing/fake-slot.ts';
import { sealRelease } from '../testing/sealed-release.ts';
import { a, b, updateDevices } from '../testing/update-devices.ts';
import { assigned, candidateOf, preparing, type UpdateRig } from '../testing/update-rig.ts';

const { device, updating } = updateDevices();

const reasonOf = (rig: UpdateRig) => rig.reports.find(({ reason }) => reason !== undefined)?.reason;

describe('an update', () => {
  it('goes its whole way: serves meanwhile, reports each state, commits, and keeps the one before', async () => {
    const rig = await updating();
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

  it('is prepared before it is tried, while what is proven serves', async () => {
    const rig = await updating();
    rig.preparation = preparing(b);
    const { slot, journal } = await rig.run();
    expect(slot.calls).toEqual(['load a@1.0.0', 'serve a@1.0.0', 'load b@1.0.0', 'serve b@1.0.0']);
    expect(rig.states('e1')).toEqual([
      'DOWNLOADING',
      'DOWNLOADED',
      'VERIFIED',
      'PREPARING',
      'INSTALLING',
      'PROBATION',
      'SUCCEEDED',
    ]);
    expect(journal.state).toMatchObject({ committed: b.held, previous: a.held });
  });

  it('that cannot be prepared fails, and is not tried', async () => {
    const rig = await updating();
    rig.preparation = preparing(b, new PrepareError('prepare-timeout', 'tensorrt has not built it within 30 minutes'));
    const { slot, journal } = await rig.run();
    expect(slot.calls).toEqual(['load a@1.0.0', 'serve a@1.0.0']);
    expect(reasonOf(rig)).toEqual({ code: 'prepare-timeout', message: 'tensorrt has not built it within 30 minutes' });
    expect(rig.states('e1').at(-1)).toBe('FAILED');
    expect(journal.state).toMatchObject({ committed: a.held, candidate: null });
  });

  it('is the first release of a device', async () => {
    const rig = await device();
    await rig.write({ candidate: candidateOf(assigned(b, 'e1')) });
    const { slot, journal } = await rig.run();
    expect(slot.calls).toEqual(['load b@1.0.0', 'serve b@1.0.0']);
    expect(journal.state).toMatchObject({ committed: b.held, previous: null });
  });

  it('to what is committed already is confirmed without touching it', async () => {
    const rig = await device();
    await rig.keep(a);
    const candidate = candidateOf(assigned(a, 'e1'));
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
      const rig = await updating({ 'b@1.0.0': manner });
      const { slot, journal } = await rig.run();
      expect(slot.serves?.digest).toBe(a.held.digest);
      expect(slot.calls.slice(3)).toEqual(then);
      expect(rig.reports.at(-1)).toMatchObject({ executionId: 'e1', state, reason: { code }, digest: a.held.digest });
      expect(reasonOf(rig)?.message).toMatch(words);
      expect(journal.state).toMatchObject({ committed: a.held, candidate: null, endedExecutions: ['e1'], notices: [] });
    },
  );

  it('that fails the probation of the very first release leaves nothing serving, and is no rollback', async () => {
    const rig = await device({ 'b@1.0.0': { seen: { frames: 0, errors: 10 } } });
    await rig.write({ candidate: candidateOf(assigned(b, 'e1')) });
    const { slot, journal } = await rig.run();
    expect(slot.calls).toEqual(['load b@1.0.0', 'serve b@1.0.0', 'serve none']);
    expect(rig.reports.at(-1)).toMatchObject({ state: 'FAILED', reason: { code: 'error-rate' } });
    expect(rig.reports.at(-1)).not.toHaveProperty('digest');
    expect(journal.state).toMatchObject({ committed: null, candidate: null });
  });

  it('that a stranger signed is rejected', async () => {
    const evil = await sealRelease('b@1.0.0', { manifest: { release: 'c@1.0.0' } });
    const rig = await updating({}, wholeFile(evil.sealed));
    await rig.write({ candidate: candidateOf(assigned(evil, 'e1')) });
    const { slot } = await rig.run();
    expect(rig.reports.at(-1)).toMatchObject({ state: 'REJECTED', digest: a.held.digest });
    expect(slot.calls).toEqual(['load a@1.0.0', 'serve a@1.0.0']);
  });

  it('whose bytes are not what was signed fails', async () => {
    const rig = await updating({}, (response) => response.end(Buffer.alloc(b.sealed.length)));
    await rig.run();
    expect(rig.reports.at(-1)).toMatchObject({ state: 'FAILED', reason: { code: 'download-corrupt' } });
  });

  it('that the disk has no room for fails', async () => {
    const rig = await updating();
    const { store } = await rig.start();
    await symlink('/dev/full', `${store.sealedPath(b.held.sha256)}.part`);
    await rig.run();
    expect(rig.reports.at(-1)).toMatchObject({ state: 'FAILED', reason: { code: 'disk-full' } });
    expect(reasonOf(rig)?.message).toContain('ENOSPC');
  });

  it('that is begun again and again and takes the agent down each time is given up', async () => {
    const rig = await updating();
    await rig.keep(b);
    const candidate = {
      release: assigned(b, 'e1'),
      stage: 'probation' as const,
      probationStarts: 3,
      allowedUntil: Number.MAX_SAFE_INTEGER,
    };
    await rig.write({ candidate });
    const { slot } = await rig.run();
    expect(slot.calls).not.toContain('serve b@1.0.0');
    expect(rig.reports.at(-1)).toMatchObject({ state: 'ROLLED_BACK', reason: { code: 'crash-loop' } });
  });

  it('does not say for days that it is still being fetched', async () => {
    const rig = await updating({}, (response) => response.writeHead(503).end());
    const { updater } = await rig.start();
    const { signal } = new AbortController();
    expect(await updater.step(signal)).toBe(true);
    for (let i = 0; i < 5; i += 1) await expect(updater.step(signal)).rejects.toThrow();
    expect(rig.states('e1')).toEqual(['DOWNLOADING']);
  });
});
