import { describe, expect, it } from 'vitest';
import { renderChoice } from './choice-table.ts';

describe('renderChoice', () => {
  it('shows what runs in its order, and then each reason of what does not', () => {
    const onnx = { runtime: 'onnxruntime', format: 'onnx', precision: 'fp32', behind: null, rejections: [] };
    const text = renderChoice({
      considered: [
        {
          variant: 'hef',
          runtime: 'hailort',
          format: 'hef',
          precision: 'int8',
          rank: null,
          behind: null,
          rejections: [
            { code: 'adapter', words: 'hailort needs a npu, and none was found' },
            { code: 'runtime-missing', words: 'hailort is not installed' },
          ],
        },
        { ...onnx, variant: 'onnx-fp32', rank: 2, behind: 'rpi5 prefers int8 to fp32' },
        { ...onnx, variant: 'onnx-int8', precision: 'int8', rank: 1 },
      ],
    });
    expect(text.split('\n')).toEqual([
      'RANK  VARIANT    RUNTIME      FORMAT  PRECISION  VERDICT          WHY',
      '1     onnx-int8  onnxruntime  onnx    int8       chosen',
      '2     onnx-fp32  onnxruntime  onnx    fp32       can run          rpi5 prefers int8 to fp32',
      '-     hef        hailort      hef     int8       adapter          hailort needs a npu, and none was found',
      '                                                 runtime-missing  hailort is not installed',
    ]);
  });
});
