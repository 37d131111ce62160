import type { RolloutForm } from './rollout-form.ts';
import {
  FORCE_AFTER,
  isUsual,
  PRIORITY,
  RATE,
  REQUIRES,
  RETRIES,
  type Setting,
  SHADOW,
  textOf,
  WINDOW,
} from './rollout-settings.ts';

// What a section of the form says, in a few words: beside its title, so that a closed one hides nothing.

type Form = Pick<RolloutForm, 'settings' | 'inShadow' | 'mode' | 'newcomers' | 'onUncertain' | 'needsApproval'>;

const anyChanged = ({ settings }: Form, group: readonly Setting[]): boolean =>
  group.some((setting) => !isUsual(settings, setting));

const joined = (...parts: readonly (string | false)[]): string => parts.filter((part) => part !== false).join(', ');

export const shadowPhrase = (form: Form): string => {
  if (!form.inShadow) return 'off';
  const [seconds, frames, every, minAgreement] = SHADOW;
  const text = (setting: Setting) => textOf(form.settings, setting);
  return joined(
    text(seconds) !== '' && `at most ${text(seconds)}`,
    text(frames) !== '' && `${text(frames)} frames`,
    !isUsual(form.settings, every) && `1 of ${text(every)} frames`,
    text(minAgreement) !== '' && `agrees on at least ${text(minAgreement)}`,
  );
};

const CONSENT = { forced: 'at once', soft: 'with consent', 'download-only': 'download only' } as const;

export const switchPhrase = (form: Form): string => {
  const [cron, duration, zone] = WINDOW;
  const text = (setting: Setting) => textOf(form.settings, setting);
  return joined(
    anyChanged(form, WINDOW) ? `${text(cron)} for ${text(duration)} (${text(zone)})` : 'at any time',
    CONSENT[form.mode],
    form.mode === 'soft' && text(FORCE_AFTER) !== '' && `without it after ${text(FORCE_AFTER)}`,
  );
};

export const pacePhrase = (form: Form): string => {
  const [perMinute, increase] = RATE;
  const text = (setting: Setting) => textOf(form.settings, setting);
  return joined(
    anyChanged(form, RATE) ? `${text(perMinute)} a minute` : 'all of a wave at once',
    !isUsual(form.settings, increase) && `then ${text(increase)} times as fast`,
    isUsual(form.settings, RETRIES) ? 'no retries' : `retries: ${text(RETRIES)}`,
  );
};

const NEWCOMERS = { join: 'newcomers join', ignore: 'newcomers stay out', continue: 'newcomers join without end' };

export const precedencePhrase = (form: Form): string =>
  joined(
    `priority ${textOf(form.settings, PRIORITY)}`,
    !isUsual(form.settings, REQUIRES) && `requires ${textOf(form.settings, REQUIRES)}`,
    NEWCOMERS[form.newcomers],
  );

export const peoplePhrase = (form: Form): string =>
  joined(
    form.needsApproval ? 'somebody else approves it' : 'no approval',
    form.onUncertain === 'wait' ? 'waits where gates cannot tell' : 'passes where gates cannot tell',
  );
