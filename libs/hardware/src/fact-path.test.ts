import { describe, expect, it } from 'vitest';
import { exampleFacts } from './example-facts.ts';
import { FACT_PATHS, type FactPath, factValues } from './fact-path.ts';

const named = (name: string): FactPath => {
  const path = FACT_PATHS.find((candidate) => candidate.name === name);
  if (path === undefined) throw new Error(`expected a fact called ${name}`);
  return path;
};

describe('FACT_PATHS', () => {
  it.each([
    ['memoryMB', 'number'],
    ['cpu.cores', 'number'],
    ['cpu.model', 'text'],
    ['simulated', 'boolean'],
    ['accelerators.memoryMB', 'number'],
    ['runtimes.providers', 'text'],
    ['deviceTree.compatible', 'text'],
  ])('has %s, a %s', (name, type) => {
    expect(named(name).type).toBe(type);
  });

  it('knows what a fact can only be', () => {
    expect(named('arch').choices).toEqual(['x64', 'arm64', 'arm']);
    expect(named('os').choices).toBeNull();
  });

  it('names none twice, and none that has others below it', () => {
    const names = FACT_PATHS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(names.filter((other) => other.startsWith(`${name}.`))).toEqual([]);
  });
});

describe('factValues', () => {
  const hailo = exampleFacts('rpi5-hailo8l');

  it.each([
    ['memoryMB', ['8052']],
    ['cpu.cores', ['4']],
    ['l4t', []],
    ['accelerators.kind', ['npu']],
    ['accelerators.memoryMB', []],
    ['runtimes.name', ['onnxruntime', 'hailort']],
    ['runtimes.providers', ['cpu']],
    ['deviceTree.compatible', ['raspberrypi,5-model-b', 'brcm,bcm2712']],
  ])('of %s', (name, values) => {
    expect(factValues(hailo, named(name))).toEqual(values);
  });
});
