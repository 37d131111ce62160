import { describe, expect, it } from 'vitest';
import { boardWords } from './board-words.ts';

describe('boardWords', () => {
  it('says all that a board tells', () => {
    expect(
      boardWords({
        memoryFreeMB: 3_210,
        swapUsedMB: 12,
        diskFreeMB: 20_000,
        temperatureC: 61.24,
        acceleratorC: 55,
        load1: 0.5,
        cpuMHz: 1_510,
        gpuPercent: 42.5,
        gpuMHz: 306,
        powerW: 5.51,
        throttled: ['under-voltage', 'throttled'],
      }),
    ).toBe(
      '61.2 °C, accelerator 55.0 °C, load 0.50, 1510 MHz, GPU 43 %, at 306 MHz, 5.5 W, 3210 MB free, 12 MB swapped, 20000 MB of disk free, slowed down: under-voltage, throttled',
    );
  });

  it('says nothing of what it does not tell', () => {
    expect(boardWords({ load1: 1, swapUsedMB: 0, throttled: [] })).toBe('load 1.00');
    expect(boardWords({})).toBe('');
  });
});
