import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decisionsBySize } from '../bench/gates/power.ts';
import {
  COMPARISON_FILE,
  PLOT_FILE,
  partOf,
  plotOf,
  powerRow,
  readingsTable,
  smallestHarmTable,
  waysRow,
} from '../bench/gates/write-docs.ts';

const text = readFileSync(COMPARISON_FILE, 'utf8');
const linesOf = (name: string): string[] => partOf(text, name).split('\n');
const ANEW = 'docs/comparison.md is not what the simulation says; run: npx node test/bench/gates/write-docs.ts';

describe('docs/comparison.md', () => {
  it('has the smallest harms that the library computes', () => {
    expect(partOf(text, 'smallest'), ANEW).toBe(smallestHarmTable());
  });

  // Some lines stand for all: every case has a seed of its own.
  it.each([
    [0, 0.1],
    [0.15, 0.3],
    [0.3, 0.1],
  ])('has the power for +%d and σ %d that the simulation shows', (harm, sigma) => {
    expect(linesOf('power'), ANEW).toContain(powerRow(harm, sigma, decisionsBySize(harm, sigma)));
  });

  it('has both readings of σ', () => {
    expect(partOf(text, 'readings'), ANEW).toBe(readingsTable());
  });

  it('has all three ways on the same reports', () => {
    expect(linesOf('ways'), ANEW).toContain(waysRow(20, 0.3));
  });

  it('has the plot of its own table', () => {
    expect(readFileSync(PLOT_FILE, 'utf8') === plotOf(partOf(text, 'power')), ANEW).toBe(true);
  });
});
