import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type AcceptanceReport, AcceptanceTally, judgeAcceptance } from './acceptance.ts';
import { TemporaryFolders, workerFromSource, writeLightRelease } from './testing/light-release.ts';
import { startWorker } from './worker-handle.ts';

const folders = new TemporaryFolders();
afterAll(() => folders.remove());

/** Runs the suite of a release in a real worker. */
async function accept(
  change: Parameters<typeof writeLightRelease>[1],
  spoil?: (folder: string) => void,
): Promise<AcceptanceReport> {
  const archiveDirectory = await writeLightRelease(folders.make(), change);
  spoil?.(archiveDirectory);
  const worker = await startWorker({ archiveDirectory, providers: [], ...workerFromSource });
  try {
    return await worker.runAcceptance();
  } finally {
    await worker.stop();
  }
}

// Scores of the default samples, gray 0, 255 and 51: m = 0, 1 and 0.2.
const GOLDEN = [
  [8, -8],
  [-8, 8],
  [4.8, -4.8],
];

describe('the acceptance suite on a device', () => {
  it('passes within all limits and reports its figures', async () => {
    const limits = { minAccuracy: 1, maxP95Ms: 5000, maxLowConfidenceRate: 0, goldenTolerance: 1e-4 };
    const report = await accept({ limits, golden: GOLDEN });
    expect(report).toMatchObject({
      passed: true,
      failures: [],
      figures: { samples: 3, accuracy: 1, lowConfidenceRate: 0, golden: 3 },
    });
    expect(report.figures.maxGoldenDifference).toBeLessThan(1e-5);
  });

  it('fails on every limit that is missed, with what was measured', async () => {
    const report = await accept({
      limits: { minAccuracy: 0.9, maxP95Ms: 0.0001, maxLowConfidenceRate: 0.2, goldenTolerance: 0.1 },
      // Two wrong labels of four, two answers near a half.
      samples: [
        ['dark', 0],
        ['light', 0],
        ['light', 128],
        ['dark', 128],
      ],
      golden: [[8, -7.5]],
    });
    expect(report.passed).toBe(false);
    expect(report.failures.map(({ limit, expected, measured }) => ({ limit, expected, measured }))).toEqual([
      { limit: 'accuracy', expected: 0.9, measured: 0.5 },
      { limit: 'p95Ms', expected: 0.0001, measured: report.figures.p95Ms },
      { limit: 'lowConfidenceRate', expected: 0.2, measured: 0.5 },
      { limit: 'goldenDifference', expected: 0.1, measured: 0.5 },
    ]);
    expect(report.failures[0]?.words).toBe('accuracy: expected at least 0.9, measured 0.5');
  });

  it('is gone through again and again under stress, by the clock, and what its process has is measured from outside', async () => {
    const archiveDirectory = await writeLightRelease(folders.make());
    const worker = await startWorker({ archiveDirectory, providers: [], ...workerFromSource });
    try {
      const begun = performance.now();
      const figures = await worker.runStress(1);
      expect(performance.now() - begun).toBeGreaterThanOrEqual(1000);
      expect(figures).toMatchObject({ failed: 0, p95Ms: expect.any(Number) });
      // Of three pictures: it has gone round.
      expect(figures.frames).toBeGreaterThan(3);
      const { resident = 0, peak = 0 } = worker.memory() ?? {};
      expect(resident).toBeGreaterThan(30 * 2 ** 20);
      expect(peak).toBeGreaterThanOrEqual(resident);
      // It answers as before.
      expect((await worker.runAcceptance()).passed).toBe(true);
    } finally {
      await worker.stop();
    }
    expect(worker.memory()).toBeNull();
  });

  it('tells what got no answer under stress', async () => {
    const archiveDirectory = await writeLightRelease(folders.make());
    writeFileSync(join(archiveDirectory, 'acceptance/01.png'), 'no picture');
    const worker = await startWorker({ archiveDirectory, providers: [], ...workerFromSource });
    try {
      const { frames, failed, firstFailure } = await worker.runStress(1);
      expect(Math.abs(frames - 2 * failed)).toBeLessThanOrEqual(2);
      expect(firstFailure).toMatch(/picture|image|unsupported/i);
    } finally {
      await worker.stop();
    }
  });

  it('cannot be run when a picture of it is none', async () => {
    const spoil = (folder: string) => writeFileSync(join(folder, 'acceptance/01.png'), 'no picture');
    await expect(accept({}, spoil)).rejects.toMatchObject({ code: 'acceptance-failed-to-run' });
  });
});

describe('AcceptanceTally', () => {
  it.each([
    ['another length', [1], [1, 2]],
    ['NaN', [Number.NaN, 2], [1, 2]],
  ])('takes %s for the largest difference', (_name, output, expected) => {
    const tally = new AcceptanceTally();
    tally.golden(output, expected);
    const report = judgeAcceptance(tally.figures(), { goldenTolerance: 1000 });
    expect(report.failures[0]?.words).toBe(
      'largest difference to the golden outputs: expected at most 1000, measured no finite number',
    );
  });
});

describe('judgeAcceptance', () => {
  it('takes a limit itself as kept, and no limit as none', () => {
    const figures = { samples: 2, accuracy: 0.5, p95Ms: 10, lowConfidenceRate: 0.5, golden: 0 };
    expect(judgeAcceptance(figures, { minAccuracy: 0.5, maxP95Ms: 10, maxLowConfidenceRate: 0.5 }).passed).toBe(true);
    expect(judgeAcceptance(figures, {}).passed).toBe(true);
  });

  it('takes a limit that nothing can be measured with as missed', () => {
    expect(judgeAcceptance({ samples: 0, golden: 0 }, { goldenTolerance: 0.1 }).failures).toEqual([
      {
        limit: 'goldenDifference',
        expected: 0.1,
        measured: null,
        words:
          'largest difference to the golden outputs: expected at most 0.1, but the acceptance suite has nothing to measure it with',
      },
    ]);
  });
});
