import { describe, expect, it } from 'vitest';
import { encodeHead } from './head-codec.ts';
import { type ArrivedUpdate, checkUpdate, LONGEST_NORM, MOST_SAMPLES } from './update-check.ts';

const values = Float32Array.of(3, 0, 0, 0, 0, -4);
const good: ArrivedUpdate = {
  bytes: encodeHead(values),
  shape: { features: 2, classes: 2 },
  base: 'a'.repeat(64),
  expectedBase: 'a'.repeat(64),
  samples: 60,
  minSamples: 50,
  loss: 0.3,
};
const withValue = (value: number) => encodeHead(Float32Array.of(0, value, 0, 0, 0, 0));

describe('checkUpdate', () => {
  it('gives the values and their length', () => {
    expect(checkUpdate(good)).toEqual({ ok: true, values, norm: 5 });
  });

  it('takes the smallest and the largest that are allowed', () => {
    expect(checkUpdate({ ...good, samples: 50, loss: 0, bytes: withValue(0) })).toMatchObject({ ok: true, norm: 0 });
    expect(checkUpdate({ ...good, samples: MOST_SAMPLES, bytes: withValue(LONGEST_NORM) })).toMatchObject({ ok: true });
  });

  const refusals: readonly (readonly [Partial<ArrivedUpdate>, string, RegExp])[] = [
    [{ base: 'b'.repeat(64) }, 'update-stale', /update of the head aaaaaaaaaaaa….* bbbbbbbbbbbb….*another head/],
    [{ bytes: good.bytes.subarray(4) }, 'update-length', /Expected 24 bytes for 2 features and 2 classes, got 20/],
    [{ bytes: new Uint8Array() }, 'update-length', /got 0/],
    [{ bytes: withValue(Number.NaN) }, 'update-not-finite', /got NaN as value 2/],
    [{ bytes: withValue(Number.NEGATIVE_INFINITY) }, 'update-not-finite', /got -Infinity as value 2/],
    [{ bytes: withValue(LONGEST_NORM * 1.01) }, 'update-norm', /length 100000 at most, got 1.01e\+5/],
    [{ samples: 49 }, 'update-samples', /Expected 50 to 1000000 labelled samples, got 49/],
    [{ samples: 0, minSamples: 0 }, 'update-samples', /Expected 1 to/],
    [{ samples: 60.5 }, 'update-samples', /got 60.5/],
    [{ samples: MOST_SAMPLES + 1 }, 'update-samples', /got 1000001/],
    [{ samples: Number.NaN }, 'update-samples', /got NaN/],
    [{ loss: Number.NaN }, 'update-not-finite', /Expected a loss of 0 or more, got NaN/],
    [{ loss: -0.1 }, 'update-not-finite', /got -0.1/],
  ];
  it.each(refusals)('refuses %o as %s', (change, code, words) => {
    expect(checkUpdate({ ...good, ...change })).toEqual({ ok: false, code, words: expect.stringMatching(words) });
  });
});
