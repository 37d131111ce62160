import { describe, expect, it } from 'vitest';
import { CommandRefusedError, command, type RolloutCommand, tryAgain } from './commands.ts';
import { ROLLOUT_STATES, type RolloutState } from './states.ts';
import { brief, counts, first, NOW, snapshot, wave } from './testing/snapshots.ts';

describe('command', () => {
  const ALLOWED: Record<RolloutCommand, Partial<Record<RolloutState, string[]>>> = {
    approve: { WAITING_FOR_APPROVAL: ['READY'] },
    deny: { WAITING_FOR_APPROVAL: ['APPROVAL_DENIED'] },
    pause: { RUNNING: ['PAUSED'] },
    resume: { PAUSED: ['RUNNING'] },
    promote: { RUNNING: ['wave 0 PASSED', 'RUNNING'], PAUSED: ['wave 0 PASSED', 'RUNNING'] },
    abort: Object.fromEntries(
      ['DRAFT', 'WAITING_FOR_APPROVAL', 'READY', 'RUNNING', 'PAUSED'].map((state) => [
        state,
        ['cancel unstarted of "all"', 'STOPPING'],
      ]),
    ),
    undo: Object.fromEntries(
      ['RUNNING', 'PAUSED', 'STOPPING', 'STOPPED', 'FINISHED'].map((state) => [
        state,
        ['cancel open of "all"', 'roll back "all"', 'ROLLING_BACK'],
      ]),
    ),
  };
  const table = (Object.keys(ALLOWED) as RolloutCommand[]).flatMap((asked) =>
    ROLLOUT_STATES.map((state) => ({ asked, state, expected: ALLOWED[asked][state] })),
  );
  const soaking = wave(0, { state: 'SOAKING', soakUntil: NOW + 1, facts: counts({ SUCCEEDED: 4 }) });
  const inState = (state: RolloutState) => snapshot({ state, waves: [soaking, wave(1, {})] });

  it.each(table.filter(({ expected }) => expected !== undefined))('$asked in $state: $expected', (row) => {
    expect(brief(command(inState(row.state), row.asked, 'ana'))).toEqual(row.expected);
  });

  it.each(table.filter(({ expected }) => expected === undefined))('$asked is refused in $state', (row) => {
    expect(() => command(inState(row.state), row.asked, 'ana')).toThrow(CommandRefusedError);
    const needed = Object.keys(ALLOWED[row.asked]).join(' or ');
    expect(() => command(inState(row.state), row.asked, 'ana')).toThrow(
      `Expected a rollout that is ${needed} for ${row.asked}; this one is ${row.state}.`,
    );
  });

  it('refuses to resume over a failed wave, and says what goes on', () => {
    const failed = first({ state: 'FAILED' }, { state: 'PAUSED' });
    expect(() => command(failed, 'resume', 'ana')).toThrow(/Wave 1 has failed; promote goes on .*undo brings/);
    expect(brief(command(failed, 'promote', 'ana'))).toEqual(['wave 0 PASSED', 'RUNNING']);
  });

  it('promotes the wave that failed before one that soaks', () => {
    const waves = [wave(0, { state: 'FAILED' }), wave(1, { state: 'SOAKING', soakUntil: NOW + 1 })];
    expect(brief(command(snapshot({ state: 'PAUSED', waves }), 'promote', 'ana'))[0]).toBe('wave 0 PASSED');
  });

  it.each(['SCHEDULED', 'RUNNING', 'PASSED', 'SKIPPED'] as const)('has nothing to promote in a wave %s', (state) => {
    expect(() => command(first({ state }), 'promote', 'ana')).toThrow(
      /Expected a wave that soaks or has failed.*or abort/,
    );
  });

  it('has a code of its own', () => {
    expect(new CommandRefusedError('x').code).toBe('rollout-command-refused');
  });
});

describe('tryAgain', () => {
  it('opens the waves of those devices, and no other', () => {
    const waves = (['PASSED', 'FAILED', 'RUNNING'] as const).map((state, index) => wave(index, { state }));
    const paused = snapshot({ state: 'PAUSED', waves });
    expect(brief(tryAgain(paused, [1, 2], 'ana'))).toEqual(['wave 1 RUNNING']);
    expect(brief(tryAgain(paused, [0, 1], 'ana'))).toEqual(['wave 0 RUNNING', 'wave 1 RUNNING']);
    // With its failed wave open again it may go on.
    const open = waves.map((one) => (one.index === 1 ? { ...one, state: 'RUNNING' as const } : one));
    expect(brief(command({ ...paused, waves: open }, 'resume', 'ana'))).toEqual(['RUNNING']);
  });

  it.each(['FINISHED', 'ROLLING_BACK', 'STOPPING', 'READY'] as const)('is refused when it is %s', (state) => {
    expect(() => tryAgain(snapshot({ state }), [], 'ana')).toThrow(`RUNNING or PAUSED for retry; this one is ${state}`);
  });
});
