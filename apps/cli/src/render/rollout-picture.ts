import type { RolloutDetail } from '@aviary/protocol';
import { spanWords } from '@aviary/rollout';
import { printable } from './table.ts';
import { type PictureOptions, wavePicture } from './wave-picture.ts';

/** Reasons that are named; of more, how many there are. */
const MOST_REASONS = 6;

const devicesWords = (count: number): string => `${count} ${count === 1 ? 'device' : 'devices'}`;

const most = (lines: readonly string[]): readonly string[] =>
  lines.length <= MOST_REASONS
    ? lines
    : [...lines.slice(0, MOST_REASONS), `  and ${lines.length - MOST_REASONS} more reasons`];

const rateLines = ({ rate, state }: RolloutDetail): string[] =>
  rate === null || state !== 'RUNNING' ? [] : [`  rate     ${Number(rate.perMinute.toPrecision(3))} devices a minute`];

const waitLines = ({ waits }: RolloutDetail, now: number | undefined): readonly string[] =>
  most(
    waits.map(({ reason, devices, until }) => {
      const when =
        until === null
          ? ''
          : now === undefined
            ? `, until ${new Date(until).toISOString()}`
            : `, for ${spanWords((until - now) / 1000)}`;
      return `  waits    ${devicesWords(devices)}: ${reason}${when}`;
    }),
  );

const troubleLines = ({ troubles }: RolloutDetail): readonly string[] =>
  most(
    troubles.map(({ state, code, reason, devices, names }) => {
      const why = [code, reason].filter((part) => part !== null).join(': ');
      const others = devices > names.length ? ', …' : '';
      return `  trouble  ${devicesWords(devices)} ${state}${why === '' ? '' : ` ${why}`} (${names.join(', ')}${others})`;
    }),
  );

const rollbackLines = ({ rollback }: RolloutDetail): string[] => {
  if (rollback === null) return [];
  const counts = Object.entries(rollback.counts).map(
    ([state, n]) => `${n} ${state.toLowerCase().replaceAll('_', ' ')}`,
  );
  return [`  back     ${counts.join(', ')}`];
};

/** What a person may do about it, where it waits for one. */
const nextLines = ({ id, state, waves, troubles }: RolloutDetail): string[] => {
  const say = (...commands: readonly string[]) =>
    `  next     ${commands.map((command) => `aviary rollout ${command} ${id.slice(0, 8)}`).join(', or ')}`;
  const mayHaveLuck = troubles.some((trouble) => ['FAILED', 'TIMED_OUT', 'CANCELED'].includes(trouble.state));
  const retry = mayHaveLuck ? ['retry'] : [];
  if (state === 'WAITING_FOR_APPROVAL') return [say('approve', 'deny')];
  if (state !== 'PAUSED') return [];
  const failed = waves.some((wave) => wave.state === 'FAILED');
  return [failed ? say('promote', 'undo', ...retry) : say('resume', 'undo', ...retry)];
};

/** All of a rollout that is worth looking at again and again: its waves, what waits, what goes wrong, what to do. */
export const rolloutPicture = (rollout: RolloutDetail, options: PictureOptions = {}): string[] => [
  ...wavePicture(rollout, options),
  ...[
    ...rateLines(rollout),
    ...waitLines(rollout, options.now),
    ...troubleLines(rollout),
    ...rollbackLines(rollout),
    ...nextLines(rollout),
  ].map(printable),
];
