import type { ShadowReport } from '@aviary/protocol';
import type { ShadowTerms } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import type { Manner } from '../testing/fake-slot.ts';
import { type SealedRelease, sealRelease } from '../testing/sealed-release.ts';
import { updateDevices } from '../testing/update-devices.ts';
import { assigned, candidateOf, PROBATION, type UpdateRig } from '../testing/update-rig.ts';

const { device } = updateDevices();
const old = await sealRelease('reader@1.0.0', { releaseCounter: 1 });
const next = await sealRelease('reader@1.1.0', { releaseCounter: 2 });
const stranger = await sealRelease('writer@1.0.0', { releaseCounter: 1 });
const TERMS: ShadowTerms = { seconds: 10, every: 1, frames: 40, minAgreement: 0.9 };

/** A device that serves one release and has fetched another, which is to run in shadow. */
const shadowing = async (
  manners: Readonly<Record<string, Manner>>,
  terms: ShadowTerms = TERMS,
  committed: SealedRelease | null = old,
): Promise<UpdateRig> => {
  const rig = await device(manners);
  await rig.keep(next, ...(committed === null ? [] : [committed]));
  const candidate = candidateOf(assigned(next, 'e1', PROBATION, { mode: 'forced', shadow: terms }), 'fetched');
  await rig.write({ committed: committed?.held ?? null, candidate });
  return rig;
};

const shadowsOf = (rig: UpdateRig): ShadowReport[] => rig.reports.flatMap(({ shadow }) => shadow ?? []);

describe('an update that runs in shadow', () => {
  it('and agrees goes on, tells it at once and at the end, and disturbs nothing that is observed', async () => {
    const rig = await shadowing({ 'reader@1.0.0': { frames: 1_000 } });
    const { slot, journal } = await rig.run();
    expect(slot.calls.slice(-2)).toEqual(['load reader@1.1.0', 'serve reader@1.1.0']);
    expect(rig.reports.map(({ state, reason, shadow }) => [state, reason?.code, shadow?.verdict])).toEqual([
      ['VERIFIED', undefined, undefined],
      ['INSTALLING', undefined, undefined],
      ['INSTALLING', 'shadow', undefined],
      ['INSTALLING', 'shadow', 'agrees'],
      ['PROBATION', undefined, undefined],
      ['SUCCEEDED', undefined, 'agrees'],
    ]);
    expect(rig.reports[2]?.reason?.message).toBe('runs in shadow of reader@1.0.0, for at most 10 s');
    expect(shadowsOf(rig)[0]).toMatchObject({ frames: 40, agreement: 1, failed: 0 });
    expect(slot.disturbances).toEqual([true, false, true, false]);
    expect(journal.state).toMatchObject({ committed: next.held, candidate: null, notices: [] });
  });

  it('and disagrees fails, and what served serves on without a break', async () => {
    const rig = await shadowing({ 'reader@1.0.0': { frames: 1_000 }, 'reader@1.1.0': { says: 'light' } });
    const { slot, journal } = await rig.run();
    expect(slot.calls).toEqual(['load reader@1.0.0', 'serve reader@1.0.0', 'load reader@1.1.0']);
    expect(slot.inUse).toEqual([old.held.digest]);
    const end = rig.reports.at(-1);
    expect(end).toMatchObject({
      state: 'FAILED',
      digest: old.held.digest,
      reason: { code: 'shadow-disagrees' },
      shadow: { verdict: 'disagrees', frames: 40, agreement: 0 },
    });
    expect(end?.reason?.message).toMatch(/^agrees with reader@1\.0\.0 on 0 % of 40 frames .*, at least 90 % asked for/);
    expect(journal.state).toMatchObject({ committed: old.held, candidate: null, endedExecutions: ['e1'] });
  });

  it('and sees no frame ends by time, and says that it cannot tell', async () => {
    const rig = await shadowing({}, { ...TERMS, seconds: 0.05 });
    const { journal } = await rig.run();
    expect(shadowsOf(rig)[0]).toMatchObject({ verdict: 'cannot-tell', frames: 0, agreement: null });
    expect(journal.state.committed).toEqual(next.held);
  });

  it('and sees too few frames passes, and says so', async () => {
    const manners = { 'reader@1.0.0': { frames: 2 }, 'reader@1.1.0': { says: 'dark' } };
    const rig = await shadowing(manners, { ...TERMS, seconds: 0.3 });
    await rig.run();
    expect(shadowsOf(rig)[0]).toMatchObject({ verdict: 'cannot-tell', frames: 2, agreement: 1 });
    expect(shadowsOf(rig)[0]?.words).toContain('too few frames to tell');
  });

  it.each<[string, () => Promise<UpdateRig>, RegExp]>([
    ['nothing serves', () => shadowing({}, TERMS, null), /nothing served that it could be compared with/],
    ['another model serves', () => shadowing({}, TERMS, stranger), /writer@1\.0\.0 served, which is of another model/],
    [
      'both do not fit into memory',
      async () => {
        const rig = await shadowing({});
        rig.shortage = 'too little memory';
        return rig;
      },
      /reader@1\.1\.0: both do not fit into memory/,
    ],
  ])('is not possible while %s, which is said, and goes on', async (_, make, words) => {
    const rig = await make();
    const { journal } = await rig.run();
    expect(shadowsOf(rig)[0]).toMatchObject({ verdict: 'not-possible', frames: 0 });
    expect(shadowsOf(rig)[0]?.words).toMatch(words);
    expect(journal.state.committed).toEqual(next.held);
  });

  it('fails when its worker ends meanwhile', async () => {
    const rig = await shadowing({ 'reader@1.0.0': { frames: 1_000 }, 'reader@1.1.0': { diesInShadow: true } });
    const { slot } = await rig.run();
    expect(rig.reports.at(-1)).toMatchObject({
      state: 'FAILED',
      reason: { code: 'worker-lost', message: 'its worker ended in shadow: the worker ended by itself (exit code 7)' },
    });
    expect(slot.serves).toEqual(old.held);
  });

  it('ends early when what serves ends, which then serves again before anything else', async () => {
    const rig = await shadowing({ 'reader@1.0.0': { frames: 3 } });
    const agent = await rig.start();
    const { signal } = new AbortController();
    agent.slot.during = (moment) => {
      if (moment === 'shadow') setTimeout(() => agent.slot.lose(), 20);
    };
    while ((await agent.updater.step(signal)) === true);
    expect(shadowsOf(rig)[0]?.words).toMatch(/ended early: reader@1\.0\.0 does not serve any more$/);
    expect(agent.slot.calls.slice(2)).toEqual([
      'load reader@1.1.0',
      'load reader@1.0.0',
      'serve reader@1.0.0',
      'load reader@1.1.0',
      'serve reader@1.1.0',
    ]);
  });

  it('is broken off when something else is wanted', async () => {
    const rig = await shadowing({}, { ...TERMS, seconds: 60 });
    const agent = await rig.start();
    const end = new AbortController();
    agent.slot.during = (moment) => {
      if (moment === 'shadow') setTimeout(() => end.abort(), 20);
    };
    await expect(
      (async () => {
        while ((await agent.updater.step(end.signal)) === true);
      })(),
    ).rejects.toThrow();
    expect(agent.journal.state.candidate).not.toHaveProperty('shadow');
    expect(agent.slot.disturbances.at(-1)).toBe(false);
    expect(rig.states('e1')).not.toContain('FAILED');
  });

  it('may lose its power at any place: it ends, is told once, and is not run again once it is noted', async () => {
    for (let cut = 0; ; cut += 1) {
      const rig = await shadowing({ 'reader@1.0.0': { frames: 1_000 } });
      const { finished, journal } = await rig.run(cut);
      if (finished) break;
      const wasNoted = journal.state.candidate?.shadow !== undefined;
      const before = rig.reports.length;
      expect((await rig.run()).journal.state, `cut after ${cut}`).toMatchObject({ committed: next.held, notices: [] });
      const begun = rig.reports.slice(before).filter(({ reason }) => reason?.message.startsWith('runs in shadow'));
      if (wasNoted) expect(begun, `cut after ${cut}`).toEqual([]);
      expect(rig.reports.at(-1)?.shadow?.verdict, `cut after ${cut}`).toBe('agrees');
    }
  });
});

const demanding = await sealRelease('reader@2.0.0', {
  releaseCounter: 3,
  manifest: {
    acceptance: {
      limits: { maxMemoryMB: 200, stressSeconds: 1, maxP95Ms: 50 },
      samples: [{ file: 'acceptance/0.png', label: 'dark' }],
      golden: [],
    },
  },
});

describe('an update that is held to its memory, and under stress', () => {
  const trying = async (manner: Manner): Promise<UpdateRig> => {
    const rig = await device({ 'reader@2.0.0': manner });
    await rig.keep(old, demanding);
    const candidate = candidateOf(assigned(demanding, 'e1'), 'fetched');
    await rig.write({ committed: old.held, candidate });
    return rig;
  };

  it('passes within its limits', async () => {
    const rig = await trying({ peak: 200 * 2 ** 20 });
    const { journal } = await rig.run();
    expect(journal.state.committed).toEqual(demanding.held);
  });

  it.each<[string, Manner, RegExp]>([
    ['takes more memory', { peak: 200 * 2 ** 20 + 1 }, /peak of its memory, in MB: expected at most 200, measured 201/],
    [
      'is slow under stress',
      { stress: { p95Ms: 51 } },
      /latency in 1 s of stress, in ms: expected at most 50, measured 51/,
    ],
    ['fails under stress', { stress: { failed: 1, firstFailure: 'no' } }, /1 of 101 pictures got none: no/],
  ])('never serves when it %s', async (_, manner, words) => {
    const rig = await trying(manner);
    const { slot } = await rig.run();
    expect(slot.calls).toEqual(['load reader@1.0.0', 'serve reader@1.0.0', 'load reader@2.0.0']);
    const { reason } = rig.reports.at(-1) ?? {};
    expect(reason).toMatchObject({ code: 'admission', message: expect.stringMatching(words) });
  });

  it('begins anew when what serves ends meanwhile, which serves again first', async () => {
    const rig = await trying({});
    const agent = await rig.start();
    const { signal } = new AbortController();
    let isLost = false;
    agent.slot.during = (moment) => {
      if (moment !== 'stress' || isLost) return;
      isLost = true;
      agent.slot.lose();
    };
    const settle = async () => {
      while ((await agent.updater.step(signal)) === true);
    };
    await expect(settle()).rejects.toMatchObject({ code: 'serving-lost' });
    await settle();
    expect(agent.slot.calls.slice(2)).toEqual([
      'load reader@2.0.0',
      'load reader@1.0.0',
      'serve reader@1.0.0',
      'load reader@2.0.0',
      'serve reader@2.0.0',
    ]);
    expect(rig.states('e1')).not.toContain('FAILED');
  });

  it('is broken off when something else is wanted, and leaves no worker behind', async () => {
    const rig = await trying({});
    const agent = await rig.start();
    const end = new AbortController();
    agent.slot.during = (moment) => {
      if (moment === 'stress') end.abort(new Error('another was assigned'));
    };
    const settle = async () => {
      while ((await agent.updater.step(end.signal)) === true);
    };
    await expect(settle()).rejects.toThrow('another was assigned');
    expect(agent.slot.inUse).toEqual([old.held.digest]);
    expect(rig.states('e1')).toEqual(['VERIFIED', 'INSTALLING']);
  });

  it('is given up when that took the board down again and again, which is counted while it lasts', async () => {
    const rig = await trying({});
    const agent = await rig.start();
    const counted: (number | undefined)[] = [];
    agent.slot.during = (moment) => {
      if (moment === 'stress') counted.push(agent.journal.state.candidate?.stressStarts);
    };
    const { signal } = new AbortController();
    while (agent.slot.admitted === null) await agent.updater.step(signal);
    expect(counted).toEqual([1]);
    const { candidate } = agent.journal.state;
    expect(candidate?.stressStarts).toBe(0);
    if (candidate === null) throw new Error('expected a candidate');

    const again = await trying({});
    await again.write({ candidate: { ...candidate, stressStarts: 3 } });
    const { slot } = await again.run();
    expect(slot.calls).toEqual(['load reader@1.0.0', 'serve reader@1.0.0']);
    expect(again.reports.at(-1)?.reason).toMatchObject({
      code: 'crash-loop',
      message: expect.stringContaining('3 times'),
    });
  });

  it.each([
    ['when the board slows itself down for it', [] as const, 'FAILED'],
    ['but not for what was so before', ['thermal'] as const, 'SUCCEEDED'],
  ])('is refused %s', async (_, before, end) => {
    const rig = await trying({});
    rig.throttling = before;
    const agent = await rig.start();
    agent.slot.during = (moment) => {
      if (moment === 'stress') rig.throttling = ['thermal'];
    };
    const { signal } = new AbortController();
    while ((await agent.updater.step(signal)) === true);
    expect(rig.states('e1').at(-1)).toBe(end);
    if (end === 'FAILED') expect(rig.reports.at(-1)?.reason?.message).toContain('it slowed itself down (thermal)');
  });
});
