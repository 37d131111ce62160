/** A text of the form that is rarely touched, in the place where the specification has it. */
export interface Setting {
  /** As in the specification. */
  readonly path: string;
  readonly label: string;
  readonly description: string;
  /** What the control plane fills in; empty: nothing. */
  readonly usual: string;
  readonly placeholder?: string;
}

/** Says something to every place of the form that is rarely touched. */
export type SettingTexts = Readonly<Record<string, string>>;

const setting = (path: string, label: string, description: string, usual: string, placeholder?: string): Setting => ({
  path,
  label,
  description,
  usual,
  ...(placeholder === undefined ? {} : { placeholder }),
});

export const COMPARE_OVER = setting(
  'strategy.compareOver',
  'Compared over',
  'before and after a device switches',
  '10m',
);

export const SHADOW = [
  setting('strategy.shadow.seconds', 'Ends after', 'at the latest, also where no frame comes', '60s'),
  setting('strategy.shadow.frames', 'or after … frames', 'that were compared', '', 'no end'),
  setting('strategy.shadow.every', 'Every … frame', 'of the camera and of applications', '1'),
  setting('strategy.shadow.minAgreement', 'Agrees on at least', 'else the device keeps what it has', '', 'only told'),
] as const;

export const WINDOW = [
  setting('strategy.window.cron', 'Opens at', 'five fields of cron', '', '0 2 * * *'),
  setting('strategy.window.duration', 'Open for', 'from each opening', '', '3h'),
  setting('strategy.window.zone', 'Time zone', 'device: where each one is', 'device', 'Europe/Paris'),
] as const;

export const FORCE_AFTER = setting(
  'strategy.forceAfter',
  'Forced after',
  'without consent, from when it was told',
  '',
  'never',
);

export const RATE = [
  setting('strategy.rate.perMinute', 'Per minute', 'devices that are told; empty: all of a wave', '', 'all at once'),
  setting('strategy.rate.increase', 'Times faster', 'again and again; 1: never', '1'),
  setting('strategy.rate.every', 'After', 'so many successes each time', '', 'as per minute'),
] as const;

export const RETRIES = setting('strategy.retries', 'Retries', 'of a device that failed', '0');

export const PRIORITY = setting('priority', 'Priority', '0 to 1000; of two rollouts the higher has a device', '500');

export const REQUIRES = setting(
  'requires',
  'Requires',
  'a device is told when it runs this release, or a later one',
  '',
  'meter-reader@1.0.0',
);

const ALL = [COMPARE_OVER, ...SHADOW, ...WINDOW, FORCE_AFTER, ...RATE, RETRIES, PRIORITY, REQUIRES];

/** What the control plane would fill in everywhere. */
export const usualTexts = (): SettingTexts => Object.fromEntries(ALL.map(({ path, usual }) => [path, usual]));

/** What stands there, without spaces around it. */
export const textOf = (texts: SettingTexts, { path, usual }: Setting): string => (texts[path] ?? usual).trim();

export const isUsual = (texts: SettingTexts, setting: Setting): boolean => textOf(texts, setting) === setting.usual;

interface Choice<Value extends string> {
  readonly value: Value;
  readonly label: string;
  readonly description: string;
}

/** The first one of each is what the control plane fills in. */
const choices = <const Value extends string>(...all: readonly Choice<Value>[]): readonly Choice<Value>[] => all;

export const MODES = choices(
  { value: 'forced', label: 'At once', description: 'A device switches as soon as it can.' },
  { value: 'soft', label: 'With consent', description: 'It switches once an application on its board allows it.' },
  {
    value: 'download-only',
    label: 'Download only',
    description: 'It fetches the release and keeps it; a later rollout then needs no download.',
  },
);
export type Mode = (typeof MODES)[number]['value'];

export const NEWCOMERS = choices(
  { value: 'join', label: 'Join', description: 'Who begins to fit is taken with the last wave.' },
  { value: 'ignore', label: 'Stay out', description: 'It is about those that fit now, and nobody else.' },
  { value: 'continue', label: 'Join without end', description: 'It stays under way, and takes them as they come.' },
);
export type Newcomers = (typeof NEWCOMERS)[number]['value'];

export const UNCERTAIN = choices(
  { value: 'wait', label: 'Wait', description: 'Until somebody promotes it, or aborts the rollout.' },
  { value: 'pass', label: 'Pass', description: 'The next wave begins, and its history says so.' },
);
export type OnUncertain = (typeof UNCERTAIN)[number]['value'];
