import { describe, expect, it } from 'vitest';
import { pacePhrase, peoplePhrase, precedencePhrase, shadowPhrase, switchPhrase } from './further-words.ts';
import { newRolloutForm, type RolloutForm } from './rollout-form.ts';

const usual = newRolloutForm('meter-reader@1.1.0');
const PHRASES = [shadowPhrase, switchPhrase, pacePhrase, precedencePhrase, peoplePhrase];

const phrasesOf = (changes: Partial<RolloutForm>, texts: Record<string, string> = {}): string[] =>
  PHRASES.map((phrase) => phrase({ ...usual, ...changes, settings: { ...usual.settings, ...texts } }));

describe('what closed sections say', () => {
  it('of a form that nobody has touched', () => {
    expect(phrasesOf({})).toEqual([
      'off',
      'at any time, at once',
      'all of a wave at once, no retries',
      'priority 500, newcomers join',
      'no approval, waits where gates cannot tell',
    ]);
  });

  it('of one in which all is otherwise', () => {
    const changes = {
      inShadow: true,
      mode: 'soft',
      newcomers: 'ignore',
      needsApproval: true,
      onUncertain: 'pass',
    } as const;
    const texts = {
      'strategy.shadow.frames': '500',
      'strategy.shadow.every': '5',
      'strategy.shadow.minAgreement': '90%',
      'strategy.window.cron': '0 2 * * *',
      'strategy.window.duration': '3h',
      'strategy.forceAfter': '2h',
      'strategy.rate.perMinute': '200',
      'strategy.rate.increase': '1.5',
      'strategy.retries': '2',
      priority: '700',
      requires: 'meter-reader@1.0.0',
    };
    expect(phrasesOf(changes, texts)).toEqual([
      'at most 60s, 500 frames, 1 of 5 frames, agrees on at least 90%',
      '0 2 * * * for 3h (device), with consent, without it after 2h',
      '200 a minute, then 1.5 times as fast, retries: 2',
      'priority 700, requires meter-reader@1.0.0, newcomers stay out',
      'somebody else approves it, passes where gates cannot tell',
    ]);
  });
});
