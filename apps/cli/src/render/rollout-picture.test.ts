import type { RolloutDetail, WaveView } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { rolloutDetail, waveView } from '../testing/rollout-answer.ts';
import { rolloutPicture } from './rollout-picture.ts';

const NOW = Date.UTC(2026, 0, 1);

const wave = (changes: Partial<WaveView>): WaveView =>
  waveView({ counts: { SUCCEEDED: 1, FAILED: 1, DOWNLOADING: 2 }, ...changes });

const rollout = (changes: Partial<RolloutDetail> = {}): RolloutDetail =>
  rolloutDetail({ target: 'site=lyon', waves: [wave({})], ...changes });

const trouble = { state: 'FAILED', code: 'download-failed', reason: 'the mirror was down' } as const;
const tail = (changes: Partial<RolloutDetail>, now: number | undefined = NOW) =>
  rolloutPicture(rollout(changes), { now }).slice(2);

describe('rolloutPicture', () => {
  it('counts the soak down on a terminal, and names its end elsewhere', () => {
    const waves = [wave({ state: 'SOAKING', soakUntil: NOW + 725_000 })];
    expect(rolloutPicture(rollout({ waves }), { now: NOW })[2]).toMatch(/^ +soaks for 12m 5s more$/);
    expect(rolloutPicture(rollout({ waves }))[2]).toMatch(/^ +soaks until 2026-01-01T00:12:05\.000Z$/);
    expect(rolloutPicture(rollout({ waves }), { now: NOW + 725_000 })[2]).toMatch(/^ +has soaked, and is judged$/);
  });

  it('says the rate, who waits for what, and what went wrong by reason', () => {
    const waits = [
      { reason: 'waits for its window', devices: 12, until: NOW + 3_600_000 },
      { reason: 'waits for its turn', devices: 1, until: null },
    ];
    const troubles = [{ ...trouble, devices: 7, names: ['cam-1', 'cam-2'] }];
    expect(tail({ rate: { perMinute: 33.333 }, waits, troubles })).toEqual([
      '  rate     33.3 devices a minute',
      '  waits    12 devices: waits for its window, for 1h',
      '  waits    1 device: waits for its turn',
      '  trouble  7 devices FAILED download-failed: the mirror was down (cam-1, cam-2, …)',
    ]);
  });

  it('names few reasons of many', () => {
    const troubles = Array.from({ length: 9 }, (_, n) => ({ ...trouble, code: `c${n}`, devices: 1, names: ['cam'] }));
    expect(tail({ troubles })).toHaveLength(7);
    expect(tail({ troubles }).at(-1)).toBe('  and 3 more reasons');
  });

  it('says what to do where it waits for a person', () => {
    const troubles = [{ ...trouble, devices: 1, names: ['cam'] }];
    const failed = [wave({ state: 'FAILED' })];
    const next = (changes: Partial<RolloutDetail>) => tail(changes).at(-1);
    expect(next({ state: 'WAITING_FOR_APPROVAL' })).toBe(
      '  next     aviary rollout approve 6f1c2a34, or aviary rollout deny 6f1c2a34',
    );
    expect(next({ state: 'PAUSED', waves: failed, troubles })).toBe(
      '  next     aviary rollout promote 6f1c2a34, or aviary rollout undo 6f1c2a34, or aviary rollout retry 6f1c2a34',
    );
    expect(next({ state: 'PAUSED' })).toMatch(/resume 6f1c2a34, or aviary rollout undo 6f1c2a34$/);
    expect(tail({ state: 'RUNNING' })).toEqual([]);
  });

  it('has short bars on a narrow terminal', () => {
    const bar = (columns: number) => /[█×▒·]+/.exec(rolloutPicture(rollout(), { columns })[1] ?? '')?.[0].length;
    expect([bar(200), bar(60)]).toEqual([28, 10]);
  });

  it('passes on no control characters of a device', () => {
    const troubles = [{ ...trouble, reason: 'bad\u001b[2J\nnews', devices: 1, names: ['c\u0007am'] }];
    expect(tail({ troubles }).join('')).not.toMatch(/\p{Cc}/u);
  });
});
