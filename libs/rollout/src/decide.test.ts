import { describe, expect, it } from 'vitest';
import { command } from './commands.ts';
import { decide, type RolloutSnapshot, STOP_GRACE_SECONDS } from './decide.ts';
import { ROLLOUT_STATES, type RolloutState } from './states.ts';
import { brief, counts, first, NOW, snapshot, spec, wave } from './testing/snapshots.ts';

const steps = (of: RolloutSnapshot, now = NOW) => brief(decide(of, now));

describe('decide, step by step', () => {
  it('starts what is ready', () => {
    expect(steps(snapshot({ state: 'READY' }))).toEqual(['RUNNING']);
  });

  it('starts the first wave, and only that', () => {
    expect(steps(snapshot())).toEqual(['start 0']);
  });

  it('waits while executions are under way, and shows the gates meanwhile', () => {
    const decisions = decide(first({ state: 'RUNNING', facts: counts({ SUCCEEDED: 3, PROBATION: 1 }) }), NOW);
    expect(decisions).toEqual([
      { kind: 'record-gates', wave: 0, results: [expect.objectContaining({ verdict: 'pass', evidence: 3 })] },
    ]);
  });

  it('soaks from the moment in which the last has ended', () => {
    const decisions = decide(first({ state: 'RUNNING', facts: counts({ SUCCEEDED: 4 }) }), NOW);
    expect(decisions.at(-1)).toMatchObject({ kind: 'set-wave', wave: 0, state: 'SOAKING', soakUntil: NOW + 60_000 });
  });

  it('soaks as long as its own wave asks', () => {
    const waves = [wave(0, { state: 'PASSED' }), wave(1, { state: 'RUNNING', facts: counts({ SUCCEEDED: 4 }) })];
    expect(decide(snapshot({ waves }), NOW).at(-1)).toMatchObject({ wave: 1, soakUntil: NOW + 120_000 });
  });

  it('passes a wave with the end of its soak, not a millisecond before', () => {
    const soaking = first({ state: 'SOAKING', soakUntil: NOW, facts: counts({ SUCCEEDED: 4 }) });
    expect(steps(soaking, NOW - 1)).toEqual([]);
    expect(steps(soaking, NOW)).toEqual(['wave 0 PASSED']);
  });

  it('starts the next after a pass, and finishes after the last', () => {
    expect(steps(first({ state: 'PASSED' }))).toEqual(['start 1']);
    expect(steps(snapshot({ waves: [wave(0, { state: 'PASSED' }), wave(1, { state: 'PASSED' })] }))).toEqual([
      'FINISHED',
    ]);
  });

  it('skips a wave without devices, before or after its start', () => {
    expect(steps(first({ planned: 0 }))).toEqual(['wave 0 SKIPPED']);
    expect(steps(first({ state: 'RUNNING', planned: 0, facts: counts({}) }))).toEqual(['wave 0 SKIPPED']);
    expect(steps(first({ state: 'RUNNING', planned: 0, facts: counts({}) }, { state: 'PAUSED' }))).toEqual([]);
    expect(steps(snapshot({ waves: [wave(0, { state: 'SKIPPED' }), wave(1, { state: 'SKIPPED' })] }))).toEqual([
      'FINISHED',
    ]);
  });

  it('counts devices that were silent until their deadline as ended, and as failed', () => {
    expect(steps(first({ state: 'RUNNING', facts: counts({ SUCCEEDED: 3, TIMED_OUT: 1 }) }))).toEqual([
      'wave 0 SOAKING',
    ]);
    expect(steps(first({ state: 'RUNNING', facts: counts({ SUCCEEDED: 2, TIMED_OUT: 2 }) }))[0]).toBe('wave 0 FAILED');
  });

  it('is held up by an offline device no longer than until then', () => {
    const waiting = first({ state: 'RUNNING', facts: counts({ SUCCEEDED: 3, QUEUED: 1 }) });
    expect(steps(waiting, NOW + 365 * 86_400_000)).toEqual([]);
  });

  it('fails a wave as soon as its numbers are enough, though others are under way', () => {
    expect(steps(first({ state: 'RUNNING', facts: counts({ FAILED: 1, QUEUED: 3 }) }))).toEqual([]);
    expect(steps(first({ state: 'RUNNING', facts: counts({ FAILED: 2, QUEUED: 2 }) }))[0]).toBe('wave 0 FAILED');
  });

  it('fails a wave while it soaks, before the soak is over', () => {
    const soaking = first({ state: 'SOAKING', soakUntil: NOW + 1, facts: counts({ SUCCEEDED: 4 }, 2) });
    expect(steps(soaking)[0]).toBe('wave 0 FAILED');
  });

  it('fails when any gate does, and records them all', () => {
    const gates = [{ acceleratorFallback: { max: 0 } }, { execution: { maxFailureRate: 0 } }];
    const failing = first({ state: 'RUNNING', facts: counts({ FAILED: 1, QUEUED: 3 }) }, { spec: spec({ gates }) });
    const [recorded, failed] = decide(failing, NOW);
    expect(recorded).toMatchObject({ results: [{ verdict: 'not-enough' }, { verdict: 'fail' }] });
    expect(failed).toMatchObject({ kind: 'set-wave', state: 'FAILED', reason: expect.stringContaining('1 of 1') });
  });

  it('without gates passes whatever has ended', () => {
    const soaked = { state: 'SOAKING', soakUntil: NOW, facts: counts({ FAILED: 4 }) } as const;
    expect(steps(first(soaked, { spec: spec({ gates: [] }) }))).toEqual(['wave 0 PASSED']);
  });
});

describe('decide, when a wave is too small to tell', () => {
  const soaked = { state: 'SOAKING', soakUntil: NOW } as const;

  it('judges the few that there are', () => {
    expect(steps(first({ ...soaked, planned: 1, facts: counts({ SUCCEEDED: 1 }) }))).toEqual(['wave 0 PASSED']);
    expect(steps(first({ ...soaked, planned: 1, facts: counts({ FAILED: 1 }) }))[0]).toBe('wave 0 FAILED');
  });

  it('takes silence for no proof: it pauses and says what a person can do', () => {
    const decisions = decide(first({ ...soaked, facts: counts({ CANCELED: 4 }) }), NOW);
    expect(brief(decisions)).toEqual(['PAUSED']);
    expect(decisions.at(-1)).toMatchObject({ reason: expect.stringMatching(/^wave 1: cannot tell .*promote or undo/) });
  });

  it('comes to the same again when it is resumed without anything new', () => {
    const unsure = first({ ...soaked, facts: counts({ CANCELED: 4 }) });
    expect(brief(command({ ...unsure, state: 'PAUSED' }, 'resume', 'ana'))).toEqual(['RUNNING']);
    expect(steps(unsure)).toEqual(['PAUSED']);
  });
});

describe('decide, on failure', () => {
  const failing = (onFailure: string) =>
    first({ state: 'RUNNING', facts: counts({ FAILED: 4 }) }, { spec: spec({ onFailure }) });

  it.each([
    ['pause', ['wave 0 FAILED', 'PAUSED']],
    [
      'rollback-wave',
      [
        'wave 0 FAILED',
        'cancel unstarted of "all"',
        'cancel open of {"wave":0}',
        'roll back {"wave":0}',
        'ROLLING_BACK',
      ],
    ],
    ['rollback-all', ['wave 0 FAILED', 'cancel open of "all"', 'roll back "all"', 'ROLLING_BACK']],
  ])('does what %s says, and starts nothing', (onFailure, expected) => {
    expect(steps(failing(onFailure))).toEqual(expected);
  });

  it('gives the reason to the wave, to the executions and to the rollout', () => {
    const decisions = decide(failing('rollback-all'), NOW);
    for (const decision of decisions.filter((one) => 'reason' in one)) {
      expect(decision).toMatchObject({ reason: expect.stringContaining('4 of 4 devices failed') });
    }
    expect(decisions.at(-1)).toMatchObject({ reason: expect.stringMatching(/^wave 1 stopped: /) });
  });

  it('reopens a passed wave whose devices went back by themselves', () => {
    const waves = [
      wave(0, { state: 'PASSED', facts: counts({ SUCCEEDED: 4 }, 2) }),
      wave(1, { state: 'RUNNING', facts: counts({ SUCCEEDED: 1, QUEUED: 3 }) }),
    ];
    expect(steps(snapshot({ waves }))).toEqual([
      'wave 0 FAILED',
      'cancel open of "all"',
      'roll back "all"',
      'ROLLING_BACK',
    ]);
  });

  it('lets a passed wave be while its gates allow what diverged', () => {
    expect(steps(first({ state: 'PASSED', facts: counts({ SUCCEEDED: 4 }, 1) }))).toEqual(['start 1']);
  });

  it('is finished with rolling back when nothing is open in either direction', () => {
    const back = (install: number, rollback: number) =>
      snapshot({ state: 'ROLLING_BACK', open: { install, rollback } });
    expect(steps(back(0, 1))).toEqual([]);
    expect(steps(back(1, 0))).toEqual([]);
    expect(steps(back(0, 0))).toEqual(['ROLLED_BACK']);
  });
});

describe('decide, when a person has paused', () => {
  it('starts, soaks and passes nothing', () => {
    const paused = { state: 'PAUSED' } as const;
    expect(steps(snapshot(paused))).toEqual([]);
    expect(steps(first({ state: 'RUNNING', facts: counts({ SUCCEEDED: 4 }) }, paused))).toEqual([]);
    expect(steps(first({ state: 'SOAKING', soakUntil: NOW, facts: counts({ SUCCEEDED: 4 }) }, paused))).toEqual([]);
    expect(steps(first({ state: 'PASSED' }, paused))).toEqual([]);
  });

  it('still acts on a failure: devices that install go on to report', () => {
    const failing = first({ state: 'RUNNING', facts: counts({ FAILED: 2, QUEUED: 2 }) }, { state: 'PAUSED' });
    expect(steps(failing)).toEqual(['wave 0 FAILED', 'cancel open of "all"', 'roll back "all"', 'ROLLING_BACK']);
  });
});

describe('decide, when stopping', () => {
  const stopping = (install: number) => snapshot({ state: 'STOPPING', open: { install, rollback: 0 } });
  const end = NOW + STOP_GRACE_SECONDS * 1_000;

  it('waits for devices in the middle of it, and then ends them by force', () => {
    expect(steps(stopping(3), end - 1)).toEqual([]);
    expect(steps(stopping(3), end)).toEqual(['cancel open of "all"']);
    expect(steps(stopping(0), end)).toEqual(['STOPPED']);
  });

  it('does not wait for the grace to end when nothing is open', () => {
    expect(steps(stopping(0), NOW)).toEqual(['STOPPED']);
  });
});

describe('decide, whatever the state', () => {
  const busy = [wave(0, { state: 'RUNNING', facts: counts({ FAILED: 4 }) }), wave(1, {})];

  it.each<RolloutState>(['DRAFT', 'WAITING_FOR_APPROVAL', 'APPROVAL_DENIED', 'FINISHED', 'STOPPED', 'ROLLED_BACK'])(
    'does nothing in %s',
    (state) => {
      expect(decide(snapshot({ state, waves: busy }), NOW + 1e10)).toEqual([]);
    },
  );

  it.each(ROLLOUT_STATES)('answers the same to the same in %s, and changes nothing it was given', (state) => {
    const given = snapshot({ state, waves: busy, open: { install: 4, rollback: 1 } });
    const before = structuredClone(given);
    expect(decide(given, NOW)).toEqual(decide(given, NOW));
    expect(given).toEqual(before);
  });
});

describe('a comparison with the control group', () => {
  const waves = [
    { size: 20, soak: 60 },
    { size: '100%', soak: 60 },
  ];
  const compared = (onUncertain: 'wait' | 'pass') =>
    spec({
      strategy: { control: 20, waves },
      gates: [{ latencyP95: { versus: 'control', margin: '15%' } }],
      onUncertain,
    });
  const soaked = (latencyP95: readonly number[], onUncertain: 'wait' | 'pass' = 'wait') =>
    first(
      {
        state: 'SOAKING',
        planned: 20,
        strata: { rpi5: 20 },
        soakUntil: NOW,
        facts: { ...counts({ SUCCEEDED: 20 }), differences: { latencyP95, lowConfidenceRate: [] } },
      },
      { spec: compared(onUncertain), control: { rpi5: 20 } },
    );

  it('soaks until it is measured, however short the soak that was asked for, where it can decide', () => {
    const soakOf = (planned: number, gates: readonly object[]) => {
      const strata = { rpi5: planned };
      const ended = first(
        { state: 'RUNNING', planned, strata, facts: counts({ SUCCEEDED: planned }) },
        { spec: spec({ gates, strategy: { control: 20, waves } }), control: { rpi5: 20 } },
      );
      const soaking = decide(ended, NOW).find(({ kind }) => kind === 'set-wave');
      return soaking?.kind === 'set-wave' && soaking.soakUntil !== null ? (soaking.soakUntil - NOW) / 1000 : undefined;
    };
    const versus = [{ latencyP95: { versus: 'control', margin: '15%' } }];
    expect(soakOf(20, versus)).toBe(600 + 270);
    expect(soakOf(3, versus)).toBe(60);
    expect(soakOf(20, [])).toBe(60);
  });

  it('stops a wave that is slower', () => {
    expect(steps(soaked(Array(20).fill(Math.log(1.4))))).toEqual([
      'wave 0 FAILED',
      'cancel open of "all"',
      'roll back "all"',
      'ROLLING_BACK',
    ]);
  });

  it('lets one pass that is shown not to be', () => {
    expect(steps(soaked(Array(20).fill(0)))).toEqual(['wave 0 PASSED']);
  });

  it('waits for a person where it cannot tell, or passes and says so', () => {
    const few = Array(3).fill(0);
    expect(steps(soaked(few))).toEqual(['PAUSED']);
    const passed = decide(soaked(few, 'pass'), NOW).find(({ kind }) => kind === 'set-wave');
    expect(passed).toMatchObject({
      state: 'PASSED',
      reason: expect.stringMatching(/^onUncertain is pass: latencyP95 versus control cannot tell/),
    });
  });

  it('leaves the last wave to the other gates', () => {
    const last = snapshot({
      spec: compared('wait'),
      control: { rpi5: 20 },
      waves: [
        wave(0, { state: 'PASSED', strata: { rpi5: 20 } }),
        wave(1, {
          state: 'SOAKING',
          planned: 40,
          strata: { rpi5: 40 },
          soakUntil: NOW,
          facts: counts({ SUCCEEDED: 40 }),
        }),
      ],
    });
    expect(steps(last)).toEqual(['wave 1 PASSED']);
  });
});
