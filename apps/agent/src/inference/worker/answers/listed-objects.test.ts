import { detectionSpec } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import { readListed } from './listed-objects.ts';

const SIZE = { width: 100, height: 50 };
const ROWS = Float32Array.from([1, 2, 11, 12, 0.9, 1, 5, 5, 6, 6, 0.1, 0, 0, 0, 0, 0, 0.8, 7]);

describe('readListed', () => {
  it.each([[[1, 3, 6]], [[3, 6]]])(
    'reads rows of the shape %j, and leaves out what is unsure or of no label',
    (dims) => {
      const found = readListed([{ name: 'y', dims, values: ROWS }], 2, detectionSpec({ decoder: 'rows' }), SIZE);
      expect(found.objects).toEqual([
        { index: 1, score: expect.closeTo(0.9, 5), left: 1, top: 2, right: 11, bottom: 12 },
      ]);
      expect(found.bestRejected).toBeCloseTo(0.1, 5);
    },
  );

  it('reads three lists, in the order of TensorFlow, with classes that count from 1', () => {
    const spec = detectionSpec({
      decoder: 'lists',
      outputs: { boxes: 'b', scores: 's', classes: 'c' },
      boxes: 'yxyx',
      unit: 'shares',
      firstClass: 1,
    });
    const outputs = [
      { name: 'b', dims: [1, 1, 4], values: [0.1, 0.2, 0.3, 0.4] },
      { name: 's', dims: [1, 1], values: [0.5] },
      { name: 'c', dims: [1, 1], values: [2] },
    ] as const;
    const [object] = readListed(outputs, 2, spec, SIZE).objects;
    expect(object).toMatchObject({ index: 1, left: 20, top: 5, right: 40, bottom: 15 });
    expect(() => readListed([outputs[1], outputs[2]], 2, spec, SIZE)).toThrow('the model has no output "b"');
  });

  it('refuses rows of another width', () => {
    const rows = { name: 'y', dims: [1, 2, 7], values: new Float32Array(14) };
    expect(() => readListed([rows], 2, detectionSpec({ decoder: 'rows' }), SIZE)).toThrow(/\[1, N, 6\] or \[N, 6\]/);
  });
});
