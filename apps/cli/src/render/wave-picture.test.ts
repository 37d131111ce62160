import type { RolloutSummary, WaveView } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { rolloutDetail, waveView } from '../testing/rollout-answer.ts';
import { wavePicture } from './wave-picture.ts';

const rollout = (waves: WaveView[], changes: Partial<RolloutSummary> = {}): RolloutSummary =>
  rolloutDetail({ target: 'site=lyon', waves, ...changes });

const barOf = (view: WaveView): string => /[█×▒·]+/.exec(wavePicture(rollout([view]))[1] ?? '')?.[0] ?? '';

describe('wavePicture', () => {
  it('names the release, its target, its state and why', () => {
    const [first] = wavePicture(rollout([], { state: 'PAUSED', reason: 'a gate failed' }));
    expect(first).toBe('meter-reader@1.1.0 → site=lyon   PAUSED: a gate failed');
  });

  it('fills the bar from what succeeded, failed and is under way', () => {
    const bar = barOf(waveView({ counts: { SUCCEEDED: 1, ALREADY_INSTALLED: 1, FAILED: 1, DOWNLOADING: 1 } }));
    expect(bar).toMatch(/^█+×+▒+$/);
    expect(bar.replaceAll(/[^█]/g, '').length).toBe(bar.length / 2);
  });

  it('keeps its width whatever the counts round to', () => {
    const widths = new Set<number>();
    for (let done = 0; done <= 7; done += 1) {
      for (let failed = 0; done + failed <= 7; failed += 1) {
        const counts = { SUCCEEDED: done, FAILED: failed, PROBATION: 7 - done - failed };
        widths.add(barOf(waveView({ size: 7, counts })).length);
      }
    }
    expect(widths.size).toBe(1);
  });

  it('draws an empty bar for a wave without devices', () => {
    expect(barOf(waveView({ size: 0 }))).toMatch(/^·+$/);
  });

  it('says the counts and the gates in words', () => {
    const gate = {
      gate: 'execution',
      verdict: 'fail' as const,
      words: 'stopped: 2 of 4 devices failed',
      estimate: 0.5,
      bound: 0.05,
      evidence: 4,
      comparison: null,
      at: 0,
    };
    const picture = wavePicture(rollout([waveView({ counts: { TIMED_OUT: 2 }, gates: [gate] })])).join('\n');
    expect(picture).toContain('2 timed out');
    expect(picture).toContain('execution: stopped: 2 of 4 devices failed');
  });

  it('says in numbers what a comparison has seen so far', () => {
    const gate = {
      gate: 'latencyP95 versus control',
      verdict: 'not-enough' as const,
      words: 'cannot tell yet',
      estimate: 0.12,
      bound: 0.15,
      evidence: 9,
      comparison: { lower: -0.03, upper: 0.28, eWorse: 4, eNotWorse: 0.2, eDecides: 20 },
      at: 0,
    };
    const picture = wavePicture(rollout([waveView({ gates: [gate] })])).join('\n');
    expect(picture).toContain('p95 +12 % (−3 % … +28 %), margin 15 %, 9 pairs, evidence 4 of 20 that it is worse');
  });

  it('passes on no control characters that a device put into a reason', () => {
    const picture = wavePicture(rollout([], { state: 'PAUSED', reason: 'bad\u001b[2J\nnews' })).join('\n');
    expect(picture).not.toMatch(/\p{Cc}/u);
  });
});
