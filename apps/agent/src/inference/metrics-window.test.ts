import { describe, expect, it } from 'vitest';
import type { InferenceResult } from './frame.ts';
import { MetricsWindow } from './metrics-window.ts';

function result(label: string, ms: number, lowConfidence = false): InferenceResult {
  return { label, index: 0, confidence: 0.5, lowConfidence, ms: { preprocess: 0, run: ms, postprocess: 0, total: ms } };
}

describe('MetricsWindow', () => {
  it('counts what happened and starts anew when taken', () => {
    const window = new MetricsWindow();
    window.answered(result('3', 10), '3');
    window.answered(result('4', 30, true), '9');
    window.answered(result('5', 20), undefined);
    window.dropped(2);
    window.failed();
    expect(window.take()).toEqual({
      frames: 3,
      dropped: 2,
      errors: 1,
      lowConfidence: 1,
      labelled: 2,
      correct: 1,
      latencyMs: { p50: 20, p95: 30, max: 30, sum: 60 },
    });
    expect(window.take()).toEqual({
      frames: 0,
      dropped: 0,
      errors: 0,
      lowConfidence: 0,
      labelled: 0,
      correct: 0,
      latencyMs: { p50: 0, p95: 0, max: 0, sum: 0 },
    });
  });
});
