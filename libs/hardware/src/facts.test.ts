import { describe, expect, it } from 'vitest';
import { EXAMPLE_BOARDS, exampleFacts } from './example-facts.ts';
import { type DeviceFacts, deviceFactsSchema } from './facts.ts';

const facts = exampleFacts('rpi5-hailo8l');
const issuesOf = (value: unknown): string[] =>
  deviceFactsSchema.safeParse(value).error?.issues.map(({ path }) => path.join('.')) ?? [];

describe('device facts', () => {
  it('need nothing that a board may not tell', () => {
    const least: DeviceFacts = {
      agentVersion: '0.1.0',
      arch: 'arm64',
      os: 'Linux',
      kernel: '6.6',
      cpu: { model: 'unknown', cores: 1 },
      memoryMB: 512,
      accelerators: [],
      runtimes: [],
    };
    expect(deviceFactsSchema.parse(least)).toEqual(least);
  });

  it.each(['agentVersion', 'arch', 'os', 'kernel', 'cpu', 'memoryMB', 'accelerators', 'runtimes'] as const)(
    'need %s',
    (name) => {
      const { [name]: _, ...rest } = facts;
      expect(issuesOf(rest)).toEqual([name]);
    },
  );

  it.each<[string, Partial<Record<keyof DeviceFacts, unknown>>, string]>([
    ['an architecture without releases', { arch: 'riscv64' }, 'arch'],
    ['memory in parts of a megabyte', { memoryMB: 0.5 }, 'memoryMB'],
    ['no memory at all', { memoryMB: 0 }, 'memoryMB'],
    ['a processor without cores', { cpu: { model: 'x', cores: 0 } }, 'cpu.cores'],
    ['less than no disk', { diskFreeMB: -1 }, 'diskFreeMB'],
    ['a text without end', { kernel: 'x'.repeat(257) }, 'kernel'],
    [
      'a bus nobody has',
      { accelerators: [{ kind: 'npu', vendor: 'a', model: 'b', bus: 'isa' }] },
      'accelerators.0.bus',
    ],
    ['a runtime nobody knows', { runtimes: [{ name: 'caffe', version: '1' }] }, 'runtimes.0.name'],
    ['facts in another form', { accelerators: {} }, 'accelerators'],
  ])('refuse %s', (_, wrong, path) => {
    expect(issuesOf({ ...facts, ...wrong })).toEqual([path]);
  });

  it('take a full disk, and a runtime that lists no providers', () => {
    const full = deviceFactsSchema.parse({
      ...facts,
      diskFreeMB: 0,
      runtimes: [{ name: 'hailort', version: '4.20.0' }],
    });
    expect(full.runtimes).toEqual([{ name: 'hailort', version: '4.20.0', providers: [] }]);
  });

  it('drop what a newer agent tells beside them', () => {
    expect(deviceFactsSchema.parse({ ...facts, boot: 'secure' })).toEqual(facts);
  });
});

describe('exampleFacts', () => {
  it('survive the wire as they are', () => {
    for (const board of EXAMPLE_BOARDS) {
      const given = exampleFacts(board);
      expect(deviceFactsSchema.parse(JSON.parse(JSON.stringify(given)))).toEqual(given);
    }
  });

  it.each(['rpi3', '', 'constructor', '__proto__'])('name the boards that there are when asked for %j', (board) => {
    expect(() => exampleFacts(board)).toThrow(RangeError);
    expect(() => exampleFacts(board)).toThrow(`Expected one of ${EXAMPLE_BOARDS.join(', ')}, got "${board}".`);
  });
});
