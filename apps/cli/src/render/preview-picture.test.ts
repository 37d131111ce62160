import type { RolloutPreview } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { previewPicture } from './preview-picture.ts';

const preview = (changes: Partial<RolloutPreview> = {}): RolloutPreview => ({
  release: 'meter-reader@1.1.0',
  devices: 10,
  waves: [
    { index: 0, size: 2, cumulative: 2, strata: { rpi5: 2 } },
    { index: 1, size: 8, cumulative: 10, strata: { rpi5: 7, '': 1 } },
  ],
  variants: [
    { profile: 'rpi5', variant: 'onnx-int8', devices: 9, reason: 'the only one' },
    { profile: 'none', variant: null, devices: 1, reason: 'no profile fits these devices' },
  ],
  bytes: 9 * 2 ** 20,
  control: { rpi5: 2 },
  comparisons: [
    {
      wave: 0,
      gate: 'latencyP95 versus control',
      pairs: 2,
      neededPairs: 5,
      level: 0.05,
      margin: 0.15,
      floor: null,
      found: null,
      words: 'wave 1 can never tell: 2 pairs, at least 5 are needed',
    },
  ],
  sites: [
    { site: 'lyon', devices: 9, bytes: 9 * 2 ** 20 },
    { site: '', devices: 1, bytes: 0 },
  ],
  forecast: { seconds: 19_200, waves: [{ index: 0, seconds: 660 }], leavesOut: ['downloads and installs'] },
  overlaps: [],
  ...changes,
});
const text = (changes: Partial<RolloutPreview> = {}): string => previewPicture(preview(changes)).join('\n');

describe('previewPicture', () => {
  it('shows waves, when they can pass, who is held back, variants and sites', () => {
    const picture = text();
    expect(picture).toContain('meter-reader@1.1.0 to 10 devices, 9.0 MB in all. Nothing was created.');
    expect(picture).toMatch(/^1 +2 +2 +11m +2 rpi5$/m);
    expect(picture).toMatch(/^2 +8 +10 +- +7 rpi5, 1 without profile$/m);
    expect(picture).toContain('It finishes in 5h 20m at the earliest.\nNot counted:\n  downloads and installs\n');
    expect(picture).toContain(
      'Held back until the last wave: 2 rpi5\n  latencyP95 versus control: wave 1 can never tell',
    );
    expect(picture).toMatch(/^none +1 +none +no profile fits these devices$/m);
    expect(picture).toMatch(/^lyon +9 +9\.0 MB\n\(no site\) +1 +0\.0 MB$/m);
  });

  it('warns of rollouts under way that want the same devices', () => {
    const other = {
      rolloutId: '0e0f5c1e-1b1e-4d0e-9a53-3c2ad1f2a001',
      release: 'meter-reader@1.0.5',
      target: 'site=lyon',
      state: 'RUNNING',
      priority: 700,
      devices: 4,
    } as const;
    expect(text({ overlaps: [{ ...other, outranked: false }] })).toContain(
      'Warning: rollout 0e0f5c1e-1b1e-4d0e-9a53-3c2ad1f2a001 of meter-reader@1.0.5 (priority 700) is under way on 4 of these devices; it outranks this one and keeps those that it takes.',
    );
    expect(text({ overlaps: [{ ...other, outranked: true }] })).toContain('this one outranks it and takes them.');
  });

  it('says that a wave without devices is skipped, and that a year is not enough', () => {
    const waves = [{ index: 0, size: 0, cumulative: 0, strata: {} }];
    const picture = text({
      waves,
      control: {},
      comparisons: [],
      forecast: { seconds: null, waves: [], leavesOut: [] },
    });
    expect(picture).toContain('none: it will be skipped');
    expect(picture).toContain('It takes more than a year.');
    expect(picture).not.toContain('Held back');
  });

  it('shows ten sites of many, and passes on no control characters of their labels', () => {
    const sites = Array.from({ length: 12 }, (_, n) => ({ site: `s${n}\u001b[2J`, devices: 1, bytes: 1 }));
    const picture = text({ sites });
    expect(picture).toContain('and 2 more; -o json has them all');
    expect(picture).not.toContain('\u001b');
  });
});
