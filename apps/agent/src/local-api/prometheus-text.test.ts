import { describe, expect, it } from 'vitest';
import { prometheusText } from './prometheus-text.ts';

describe("Prometheus' text", () => {
  it('is as its format has it', () => {
    const text = prometheusText([
      {
        name: 'a_total',
        help: 'Line 1\nand a \\.',
        type: 'counter',
        samples: [{ labels: { why: 'a "b"\\\n' }, value: 2 }],
      },
      { name: 'b', help: 'Nothing to tell.', type: 'gauge', samples: [] },
      {
        name: 'c_seconds',
        help: 'How long.',
        type: 'histogram',
        buckets: [
          { le: 0.001, count: 1 },
          { le: 1, count: 3 },
        ],
        count: 4,
        sum: 5.5,
      },
    ]);
    expect(text.split('\n')).toEqual([
      '# HELP a_total Line 1\\nand a \\\\.',
      '# TYPE a_total counter',
      'a_total{why="a \\"b\\"\\\\\\n"} 2',
      '# HELP c_seconds How long.',
      '# TYPE c_seconds histogram',
      'c_seconds_bucket{le="0.001"} 1',
      'c_seconds_bucket{le="1"} 3',
      'c_seconds_bucket{le="+Inf"} 4',
      'c_seconds_sum 5.5',
      'c_seconds_count 4',
      '',
    ]);
  });
});
