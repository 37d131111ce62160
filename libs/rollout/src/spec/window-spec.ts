import { Cron } from 'croner';
import { z } from 'zod';
import { positiveDuration } from './scalars.ts';

/** Where a device says nothing of its time zone. */
export const FALLBACK_ZONE = 'UTC';

/** Every five-field cron that fires at all fires within this of any day: the 29th of February, over a year 2100. */
const ANY_DAY = new Date('2024-01-01T00:00:00Z');

const cronIn = (pattern: string, zone: string): Cron =>
  new Cron(pattern, { timezone: zone, mode: '5-part', paused: true });

const cron = z.string('expected five fields of cron such as "0 2 * * *"').superRefine((pattern, context) => {
  let opens: Date | null;
  try {
    opens = cronIn(pattern, FALLBACK_ZONE).nextRun(ANY_DAY);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error);
    context.addIssue({
      code: 'custom',
      message: `expected five fields of cron such as "0 2 * * *", got "${pattern}": ${why}`,
    });
    return;
  }
  if (opens === null) {
    context.addIssue({
      code: 'custom',
      message: `expected a cron that fires some day, got "${pattern}", which never does`,
    });
  }
});

const isZone = (zone: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
};

const ZONE = 'expected device, or a time zone such as Europe/Paris or UTC';

/** When devices may be told of a release, and may switch to it: from each time that the cron fires, for so long. */
export const updateWindowSchema = z.strictObject({
  cron,
  duration: positiveDuration('a window has to be open for some time'),
  zone: z
    .string(ZONE)
    .refine((zone) => zone === 'device' || isZone(zone), ZONE)
    .default('device')
    .describe('device: where each device is; or a name of the IANA database'),
});
export type UpdateWindow = z.output<typeof updateWindowSchema>;

export interface WindowState {
  readonly open: boolean;
  /** While it is closed: when it opens next, in ms since 1970; null when never. */
  readonly opensAt: number | null;
  /** While it is open: when it closes, unless it begins again before, in ms since 1970; null while it is closed. */
  readonly closesAt: number | null;
}

/**
 * Whether a window is open at a moment, and when it opens otherwise.
 * @param now ms since 1970
 * @param deviceZone of the IANA database, as a device tells it; one that is not known here is UTC
 */
export const windowAt = (window: UpdateWindow, now: number, deviceZone: string | null): WindowState => {
  const asked = window.zone === 'device' ? (deviceZone ?? FALLBACK_ZONE) : window.zone;
  const schedule = cronIn(window.cron, isZone(asked) ? asked : FALLBACK_ZONE);
  // The first time that it fired and is open still, or that it will fire: a window may begin again while it is open.
  const opened = schedule.nextRun(new Date(now - window.duration * 1000))?.getTime() ?? null;
  if (opened !== null && opened <= now) return { open: true, opensAt: null, closesAt: opened + window.duration * 1000 };
  return { open: false, opensAt: opened, closesAt: null };
};
