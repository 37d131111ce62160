import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRolloutSpec, RolloutSpecError } from './rollout-spec.ts';

const release = 'meter-reader@1.4.0';

const errorOf = (value: unknown): RolloutSpecError => {
  try {
    parseRolloutSpec(value);
  } catch (error) {
    if (error instanceof RolloutSpecError) return error;
    throw error;
  }
  throw new Error(`expected to be refused: ${JSON.stringify(value)}`);
};

const problemsOf = (value: unknown): Record<string, string> =>
  Object.fromEntries(errorOf(value).problems.map(({ path, message }) => [path, message]));

describe('parseRolloutSpec', () => {
  it('fills in everything but the release', () => {
    expect(parseRolloutSpec({ release })).toEqual({
      release,
      target: 'all',
      priority: 500,
      newcomers: 'join',
      strategy: {
        waves: [
          { size: { percent: 10 }, minimum: 1, soak: 1_800 },
          { size: { percent: 50 }, soak: 1_800 },
          { size: { percent: 100 }, soak: 600 },
        ],
        compareOver: 600,
        stratifyBy: 'profile',
        deadline: 21_600,
        retries: 0,
        mode: 'forced',
        probation: { seconds: 60, minFrames: 100, maxErrorRate: 0.02, maxLowConfidenceRate: 0.3, maxP95Ratio: 2 },
      },
      gates: [{ execution: { maxFailureRate: 0.05, minimum: 5 } }],
      onFailure: 'rollback-all',
      onUncertain: 'wait',
      approval: 'none',
    });
  });

  it('fills in what is left out inside a part', () => {
    const spec = parseRolloutSpec({
      release,
      strategy: { waves: [{ size: '5%' }, { size: '100%', soak: '1h' }], probation: { seconds: '5m' } },
      gates: [{ lowConfidenceRate: { max: '3%' } }, { latencyP95: { maxMs: 80 } }],
    });
    expect(spec.strategy.waves.map(({ soak }) => soak)).toEqual([600, 3_600]);
    expect(spec.strategy.shadow).toBeUndefined();
    expect(parseRolloutSpec({ release, strategy: { shadow: {} } }).strategy.shadow).toEqual({ seconds: 60, every: 1 });
    const shadow = { seconds: '2m', frames: 500, every: 5, minAgreement: '90%' };
    expect(parseRolloutSpec({ release, strategy: { shadow } }).strategy.shadow).toEqual({
      seconds: 120,
      frames: 500,
      every: 5,
      minAgreement: 0.9,
    });
    expect(spec.strategy.probation).toMatchObject({ seconds: 300, minFrames: 100 });
    expect(spec.gates).toEqual([
      { lowConfidenceRate: { max: 0.03, minimumFrames: 100, minimumDevices: 1 } },
      { latencyP95: { maxMs: 80, minimumDevices: 1 } },
    ]);
  });

  it('means the same when what it understood is written again', () => {
    const spec = parseRolloutSpec({ release, gates: [], strategy: { waves: [{ size: 3 }, { size: '100%' }] } });
    const { waves } = spec.strategy;
    const again = waves.map(({ size, ...wave }) => ({
      ...wave,
      size: 'count' in size ? size.count : `${size.percent}%`,
    }));
    expect(parseRolloutSpec({ ...spec, strategy: { ...spec.strategy, waves: again } })).toEqual(spec);
  });

  it.each([
    ['10%', { percent: 10 }],
    [' 2.5 % ', { percent: 2.5 }],
    ['7', { count: 7 }],
    [7, { count: 7 }],
  ])('takes %j for a size', (size, expected) => {
    const spec = parseRolloutSpec({ release, strategy: { waves: [{ size }, { size: '100%' }] } });
    expect(spec.strategy.waves[0]?.size).toEqual(expected);
  });

  it.each([0, -1, 1.5, '0', '0%', '101%', '-5%', 'ten', '', '1e3', true, null, undefined, {}])(
    'refuses %j as a size',
    (size) => {
      const problems = problemsOf({ release, strategy: { waves: [{ size }, { size: '100%' }] } });
      expect(Object.keys(problems)).toEqual(['strategy.waves.0.size']);
      expect(problems['strategy.waves.0.size']).toMatch(
        /^expected a count such as 5, or 10 % written as "10%", got .+/,
      );
    },
  );

  it.each([
    ['5%', 0.05],
    ['0%', 0],
    ['100%', 1],
    [0.05, 0.05],
    [1, 1],
  ])('takes %j for a share', (maxFailureRate, expected) => {
    expect(parseRolloutSpec({ release, gates: [{ execution: { maxFailureRate } }] }).gates).toEqual([
      { execution: { maxFailureRate: expected, minimum: 1 } },
    ]);
  });

  it('reads a percentage as the very number that counting gives: 7 of 1000 are not above 0.7 %', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000 }), (perMille) => {
        const { gates } = parseRolloutSpec({
          release,
          gates: [{ execution: { maxFailureRate: `${perMille / 10}%` } }],
        });
        expect(gates).toEqual([{ execution: { maxFailureRate: perMille / 1_000, minimum: 1 } }]);
      }),
    );
  });

  it.each([5, -0.1, '5', '101%', 'few', true])('refuses %j as a share', (maxFailureRate) => {
    expect(problemsOf({ release, gates: [{ execution: { maxFailureRate } }] })).toEqual({
      'gates.0.execution.maxFailureRate': expect.stringMatching(/^expected a share such as 5% or 0\.05, got /),
    });
  });

  it.each([-1, 'soon', '5w', '367d', `${'9'.repeat(400)}d`, Number.POSITIVE_INFINITY])(
    'refuses %j as a duration',
    (soak) => {
      expect(problemsOf({ release, strategy: { waves: [{ size: '100%', soak }] } })).toEqual({
        'strategy.waves.0.soak': expect.stringMatching(/^expected a duration such as 30s, .* at most 366d, got /),
      });
    },
  );

  it('takes no soak at all, but no deadline that has passed at once', () => {
    const strategy = { waves: [{ size: '100%', soak: 0 }] };
    expect(parseRolloutSpec({ release, strategy }).strategy.waves[0]?.soak).toBe(0);
    expect(problemsOf({ release, strategy: { deadline: '0s' } })).toEqual({
      'strategy.deadline': expect.stringMatching(/^expected more than 0/),
    });
  });
});

describe('waves of a specification', () => {
  const wavesOf = (...sizes: unknown[]) => ({ release, strategy: { waves: sizes.map((size) => ({ size })) } });

  it.each([[['100%']], [['1%', '10%', '100%']], [[1, 5, '100%']], [[500, '1%', '100%']]])('may be %j', (sizes) => {
    expect(parseRolloutSpec(wavesOf(...sizes)).strategy.waves).toHaveLength(sizes.length);
  });

  it.each<[unknown[], number, RegExp]>([
    [['50%'], 0, /expected 100%: the last wave takes every device/],
    [[10], 0, /expected 100%/],
    [['10%', 50], 1, /expected 100%/],
    [['10%', '10%', '100%'], 1, /expected more than the wave before: sizes are cumulative/],
    [['100%', '100%'], 1, /expected more than the wave before/],
    [[5, 5, '100%'], 1, /expected more than the wave before/],
    [['10%', 50, '100%'], 1, /expected a percentage: after a wave in percent, a count cannot be compared/],
  ])('may not be %j', (sizes, index, message) => {
    const { problems } = errorOf(wavesOf(...sizes));
    expect(problems[0]).toEqual({ path: `strategy.waves.${index}.size`, message: expect.stringMatching(message) });
  });

  it('are at least one', () => {
    expect(problemsOf(wavesOf())).toEqual({ 'strategy.waves': 'expected at least 1 in the list, got a list of 0' });
  });

  it('have minimums of whole devices', () => {
    const waves = [{ size: '1%', minimum: 0 }, { size: '10%', minimum: 1.5 }, { size: '100%' }];
    expect(Object.keys(problemsOf({ release, strategy: { waves } }))).toEqual([
      'strategy.waves.0.minimum',
      'strategy.waves.1.minimum',
    ]);
  });
});

describe('what a refused specification says', () => {
  it('names every wrong place at once, each with what was expected and what came', () => {
    const error = errorOf({
      release: 'meter-reader',
      target: 'profle=rpi4',
      strategy: { waves: [{ size: '10%' }, { size: '5%' }], deadline: 'x', probation: { maxP95Ratio: 0 } },
      gates: [{ latencyP95: {} }],
      onFailure: 'shrug',
      wave: 1,
    });
    expect(error.code).toBe('rollout-spec-invalid');
    expect(Object.fromEntries(error.problems.map(({ path, message }) => [path, message]))).toMatchObject({
      release: 'expected model@version, e.g. meter-reader@1.4.0, got "meter-reader"',
      target: expect.stringContaining('expected "profile"'),
      'strategy.waves.1.size': expect.stringContaining('cumulative'),
      'strategy.deadline': expect.stringContaining('got "x"'),
      'strategy.probation.maxP95Ratio': 'expected more than 0, got 0',
      'gates.0.latencyP95': 'expected maxMs, or versus: control with a margin, got {}',
      onFailure: 'expected one of pause, rollback-wave, rollback-all, got "shrug"',
      wave: 'unknown: there is no such setting here',
    });
    for (const { path, message } of error.problems) {
      expect(error.message).toContain(path === '' ? `the specification: ${message}` : `${path}: ${message}`);
    }
  });

  it.each([
    [{}, 'release: expected model@version, e.g. meter-reader@1.4.0, got nothing'],
    [null, 'the specification: expected settings by name, got nothing'],
    ['release: a@1.0.0', 'the specification: expected settings by name, got "release: a@1.0.0"'],
    [[], 'the specification: expected settings by name, got a list of 0'],
    [{ release: 7 }, 'release: expected model@version, e.g. meter-reader@1.4.0, got 7'],
    [{ release, gates: {} }, 'gates: expected a list, got {}'],
    [{ release, strategy: { shadow: { seconds: '2h' } } }, 'strategy.shadow.seconds: expected at most 1h'],
    [{ release, strategy: { shadow: { seconds: 0 } } }, 'strategy.shadow.seconds: expected more than 0'],
    [{ release, strategy: { shadow: { every: 0 } } }, 'strategy.shadow.every: expected more than 0, got 0'],
    [{ release, strategy: { shadow: { minAgreement: 90 } } }, 'strategy.shadow.minAgreement: expected a share'],
    [{ release, strategy: { shadow: { minAgrement: 1 } } }, 'strategy.shadow.minAgrement: unknown'],
    [{ release, strategy: { wave: [] } }, 'strategy.wave: unknown'],
    [{ release, target: '' }, 'target: expected at least 1 characters, got ""'],
    [{ release, target: `a=${'b'.repeat(20_000)}` }, 'target: expected at most 20000 characters'],
  ])('of %j', (value, words) => {
    expect(errorOf(value).message).toContain(`The rollout cannot be created: ${words}`);
  });

  it.each<[unknown, string, RegExp]>([
    [{ drifts: { maxAlerts: '2%' } }, 'gates.0', /one of execution, success, .* with its own settings, got drifts/],
    [{ execution: { maxFailureRate: 0 }, success: { minSuccessRate: 1 } }, 'gates.0', /got execution, success/],
    ['execution', 'gates.0', /one of execution, .*got "execution"/],
    [{}, 'gates.0', /one of execution, .*got {}/],
    [{ execution: { maxFailureRate: 0, minimun: 1 } }, 'gates.0.execution.minimun', /^unknown/],
    [{ execution: {} }, 'gates.0.execution.maxFailureRate', /expected a share .* got nothing/],
    [{ execution: { maxFailureRate: 0, minimum: 0 } }, 'gates.0.execution.minimum', /expected more than 0, got 0/],
    [{ success: { minSuccessRate: 'most' } }, 'gates.0.success.minSuccessRate', /got "most"/],
    [{ latencyP95: { maxMs: '80' } }, 'gates.0.latencyP95.maxMs', /expected a number, got "80"/],
    [
      { lowConfidenceRate: 0.1 },
      'gates.0.lowConfidenceRate',
      /expected max, or versus: control with a margin, got 0.1/,
    ],
    [{ latencyP95: { versus: 'control' } }, 'gates.0.latencyP95.margin', /expected a share .* got nothing/],
    [
      { latencyP95: { versus: 'before', margin: 0.1 } },
      'gates.0.latencyP95.versus',
      /expected control: .* got "before"/,
    ],
    [{ acceleratorFallback: { max: 0.5 } }, 'gates.0.acceleratorFallback.max', /expected a whole number, got 0.5/],
  ])('of the gate %j is about that gate', (gate, path, message) => {
    expect(errorOf({ release, gates: [gate] }).problems).toEqual([{ path, message: expect.stringMatching(message) }]);
  });

  it.each(['Meter@1.0.0', 'meter', 'meter@1.0', '@1.0.0', 'meter reader@1.0.0', 'meter@1.0.0 beta'])(
    'of the release %j shows how one looks',
    (name) => {
      expect(problemsOf({ release: name })).toEqual({ release: expect.stringContaining('e.g. meter-reader@1.4.0') });
    },
  );
});
