import { rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Manner } from '../testing/fake-slot.ts';
import { a, b, c, updateDevices } from '../testing/update-devices.ts';
import { assigned, candidateOf } from '../testing/update-rig.ts';

const { device, updating } = updateDevices();

describe('a release that was proven', () => {
  it('and does not serve any more gives way to the one before', async () => {
    const rig = await device({ 'b@1.0.0': { failsToLoad: 'out of memory' } });
    await rig.keep(a, b);
    await rig.write({ committed: b.held, previous: a.held });
    const { slot } = await rig.run();
    expect(slot.serves?.digest).toBe(a.held.digest);
    expect(rig.events).toEqual(['release-unservable']);
  });

  it('is fetched again where its bytes were damaged', async () => {
    const rig = await device();
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
    const rig = await device({ 'a@1.0.0': { failsToLoad: 'out of memory' } });
    await rig.keep(a);
    await rig.write({ committed: a.held });
    const { updater } = await rig.start();
    const { signal } = new AbortController();
    expect(await updater.step(signal)).toBe(true);
    for (let i = 0; i < 3; i += 1) await expect(updater.step(signal)).rejects.toThrow('out of memory');
    expect(rig.events).toEqual(['release-unservable']);
  });

  it('is tried again also while its successor cannot be fetched, and said once', async () => {
    const manners: Record<string, Manner> = { 'a@1.0.0': { failsToLoad: 'out of memory' } };
    const rig = await updating(manners, (response) => response.writeHead(503).end());
    const { updater, slot } = await rig.start();
    const { signal } = new AbortController();
    for (let i = 0; i < 3; i += 1) {
      expect(await updater.step(signal)).toBe(true);
      await expect(updater.step(signal)).rejects.toThrow('refused with 503');
    }
    manners['a@1.0.0'] = {};
    await updater.step(signal);
    expect(slot.serves?.digest).toBe(a.held.digest);
    expect(rig.events).toEqual(['release-unservable']);
  });

  it('gives way although the disk takes no decision', async () => {
    const rig = await device({ 'b@1.0.0': { failsToLoad: 'out of memory' } });
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
    const rig = await device();
    await rig.keep(a, b);
    await rig.write({ committed: b.held, previous: a.held });
    const { updater } = await rig.start();
    await updater.quarantine(b.held);
    await updater.quarantine(b.held);
    const { slot, journal } = await rig.run();
    expect(slot.serves?.digest).toBe(a.held.digest);
    expect(journal.state.quarantined).toEqual([b.held.digest]);
    await rig.write({ candidate: candidateOf(assigned(c, 'e1')) });
    const later = await rig.run();
    expect(later.journal.state).toMatchObject({ committed: c.held, previous: a.held });
  });

  it('rests after its worker has died again, and what is assigned comes here meanwhile', async () => {
    const rig = await updating();
    const now = performance.now();
    for (let death = 0; death < 4; death += 1) rig.crashes.lost(a.held.digest, now);
    const { slot, journal } = await rig.run();
    expect(slot.calls).toEqual(['load b@1.0.0', 'serve b@1.0.0']);
    expect(journal.state).toMatchObject({ committed: b.held, previous: a.held });
  });

  it('is looked at again when it has rested, where there is nothing else to do', async () => {
    const rig = await device();
    await rig.keep(a);
    await rig.write({ committed: a.held });
    const { updater, slot } = await rig.start();
    const { signal } = new AbortController();
    for (let death = 0; death < 4; death += 1) rig.crashes.lost(a.held.digest, performance.now());
    const outcome = await updater.step(signal);
    expect(outcome).toMatchObject({ lookAgainMs: expect.closeTo(4_000, -3) });
    expect(slot.calls).toEqual([]);
    updater.forgive(a.held.digest);
    rig.crashes.forgive(a.held.digest);
    await updater.step(signal);
    expect(slot.serves?.digest).toBe(a.held.digest);
  });

  it('that stands below the floor is not gone back to', async () => {
    const rig = await device({ 'b@1.0.0': { failsToLoad: 'out of memory' } });
    await rig.keep(a, b);
    await rig.write({ committed: b.held, previous: a.held, rollbackFloor: 2 });
    const { updater, slot } = await rig.start();
    const { signal } = new AbortController();
    await updater.step(signal);
    await expect(updater.step(signal)).rejects.toThrow('out of memory');
    expect(slot.serves).toBeNull();
  });
});
