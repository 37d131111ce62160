import type { RoundTask } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { fitTask, type Offer } from './round-fit.ts';

const [backbone, base] = ['a'.repeat(64), 'b'.repeat(64)];
const serving = { release: 'm@1.0.0', backbone, base };
const task: RoundTask = {
  round: '0b6c7a52-5d4c-4f0a-9d0b-1b2f3c4d5e6f',
  part: 'train',
  release: 'm@1.0.0',
  backbone,
  base,
  training: { epochs: 1, batchSize: 16, learningRate: 0.1, seed: 1 },
  minSamples: 10,
  update: null,
  deadlineAt: 1_000,
};
const fitting: Offer = { serving, committed: true, samples: 10 };

describe('whether a device does its part', () => {
  it.each<[string, Partial<Offer>, number, object]>([
    ['everything fits', {}, 999, { fits: 'yes' }],
    ['its time is over', {}, 1_000, { fits: 'no', code: 'deadline-past' }],
    ['nothing serves yet', { serving: null }, 0, { fits: 'not-yet' }],
    ['what serves is on probation', { committed: false }, 0, { fits: 'not-yet' }],
    ['what serves cannot be trained', { serving: 'untrainable' }, 0, { fits: 'no', code: 'release-not-trainable' }],
    ['another backbone serves', { serving: { ...serving, backbone: base } }, 0, { fits: 'no', code: 'backbone-other' }],
    ['another head serves', { serving: { ...serving, base: backbone } }, 0, { fits: 'no', code: 'base-stale' }],
    [
      'another head is on probation',
      { serving: { ...serving, base: backbone }, committed: false },
      0,
      { fits: 'no', code: 'base-stale' },
    ],
    ['there are too few samples', { samples: 9 }, 0, { fits: 'no', code: 'samples-few' }],
  ])('%s', (_, offer, now, fit) => {
    expect(fitTask(task, { ...fitting, ...offer }, now)).toMatchObject(fit);
  });

  it('needs a sample even where none is asked for', () => {
    expect(fitTask({ ...task, minSamples: 0 }, { ...fitting, samples: 0 }, 0)).toMatchObject({ code: 'samples-few' });
  });
});
