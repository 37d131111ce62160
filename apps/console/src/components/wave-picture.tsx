import { comparisonInWords } from '@aviary/rollout';
import { Box, Group, Stack, Text } from '@mantine/core';
import { IconCircleCheck, IconCircleX, IconHourglass } from '@tabler/icons-react';
import type { GateResult, WaveView } from '../api/generated/index.ts';
import { RelativeTime } from './relative-time.tsx';
import { StateBadge } from './state-badge.tsx';
import classes from './wave-picture.module.css';
import { countWords, deviceCount, PORTIONS, type Portion, portionsOf } from './wave-portions.ts';

const LEGEND: Readonly<Record<Portion, string>> = {
  good: 'have the release',
  bad: 'failed',
  canceled: 'canceled',
  moving: 'under way',
  waiting: 'to come',
};

const isCurrent = (wave: WaveView): boolean => wave.state === 'RUNNING' || wave.state === 'SOAKING';

const waveWords = (wave: WaveView): string => {
  const counts = countWords(wave.counts);
  return `wave ${wave.index + 1}, ${wave.state.toLowerCase()}, ${deviceCount(wave.size)}${counts === '' ? '' : `: ${counts}`}`;
};

/** The devices of one wave, each portion as wide as its share. */
const WaveBar = ({ wave }: { wave: WaveView }) => {
  const portions = portionsOf(wave);
  return (
    <div className={`${classes.wave} ${isCurrent(wave) ? classes.current : ''}`}>
      {PORTIONS.map((portion) =>
        portions[portion] === 0 ? null : (
          <div
            key={portion}
            className={`${classes.portion} ${classes[portion]}`}
            style={{ flexGrow: portions[portion] }}
          />
        ),
      )}
    </div>
  );
};

/** All waves side by side in one small ribbon, each as wide as its share of the devices. */
export const WaveRibbon = ({ waves }: { waves: readonly WaveView[] }) => (
  <div className={classes.ribbon} role="img" aria-label={waves.map(waveWords).join('; ')}>
    {waves
      .filter(({ size }) => size > 0)
      .map((wave) => (
        <div key={wave.index} className={classes.ribbonWave} style={{ flexGrow: wave.size, flexBasis: 0 }}>
          <WaveBar wave={wave} />
        </div>
      ))}
  </div>
);

const VERDICTS = {
  pass: { icon: IconCircleCheck, color: 'var(--av-ok)', words: 'passed' },
  fail: { icon: IconCircleX, color: 'var(--av-error)', words: 'failed' },
  'not-enough': { icon: IconHourglass, color: 'var(--av-waiting)', words: 'cannot tell yet' },
} as const;

/** What one gate says of a wave, in its own words. */
const GateLine = ({ result }: { result: GateResult }) => {
  const { icon: Icon, color, words } = VERDICTS[result.verdict];
  const numbers = comparisonInWords(result);
  return (
    <Group gap={6} wrap="nowrap" align="flex-start" component="li">
      <Icon size={16} color={color} role="img" aria-label={words} style={{ flexShrink: 0, marginTop: 2 }} />
      <Text size="sm" component="div">
        <Text span fw={600} size="sm">
          {result.gate}
        </Text>{' '}
        {result.words}
        {numbers !== undefined && (
          <Text size="xs" c="dimmed">
            {numbers}
          </Text>
        )}
      </Text>
    </Group>
  );
};

const WaveLane = ({ wave, total }: { wave: WaveView; total: number }) => {
  const share = (count: number) => `${total === 0 ? 0 : (count / total) * 100}%`;
  const before = wave.cumulative - wave.size;
  const counts = countWords(wave.counts);
  return (
    <div className={classes.row}>
      <Group gap="xs" wrap="nowrap">
        <Text size="sm" fw={600} style={{ whiteSpace: 'nowrap' }}>
          Wave {wave.index + 1}
        </Text>
        <StateBadge state={wave.state} />
      </Group>
      <div className={classes.lane} role="img" aria-label={waveWords(wave)}>
        {before > 0 && <div className={classes.before} style={{ width: share(before) }} />}
        {wave.size > 0 && (
          <div
            className={classes.bar}
            style={{ left: `min(${share(before)}, calc(100% - 8px))`, width: share(wave.size) }}
          >
            <WaveBar wave={wave} />
          </div>
        )}
      </div>
      <Text size="sm">
        {deviceCount(wave.size)}
        {wave.cumulative !== wave.size && (
          <Text span c="dimmed" size="sm">
            , then {wave.cumulative.toLocaleString('en')}
          </Text>
        )}
      </Text>
      {(counts !== '' || wave.state === 'SOAKING' || wave.gates.length > 0) && (
        <Stack gap={4} className={classes.words ?? ''}>
          {(counts !== '' || wave.state === 'SOAKING') && (
            <Text size="sm">
              {counts}
              {wave.state === 'SOAKING' && wave.soakUntil !== null && (
                <>
                  {counts === '' ? '' : ' · '}soaks until {new Date(wave.soakUntil).toLocaleTimeString()} (
                  <RelativeTime at={wave.soakUntil} />)
                </>
              )}
            </Text>
          )}
          {wave.gates.length > 0 && (
            <Stack
              gap={2}
              component="ul"
              m={0}
              p={0}
              style={{ listStyle: 'none' }}
              aria-label={`gates of wave ${wave.index + 1}`}
            >
              {wave.gates.map((result) => (
                <GateLine key={result.gate} result={result} />
              ))}
            </Stack>
          )}
        </Stack>
      )}
    </div>
  );
};

const WaveLegend = () => (
  <Group gap="md">
    {PORTIONS.map((portion) => (
      <Group key={portion} gap={6}>
        <div className={`${classes.swatch} ${classes[portion]}`} aria-hidden="true" />
        <Text size="xs" c="dimmed">
          {LEGEND[portion]}
        </Text>
      </Group>
    ))}
  </Group>
);

/**
 * A rollout as a staircase: a lane for each wave, which begins where the waves before end and is as wide as its share of
 * the devices, filled by what its devices are at; below it what its gates say.
 */
export const WavePicture = ({ waves }: { waves: readonly WaveView[] }) => {
  const total = waves.at(-1)?.cumulative ?? 0;
  return (
    <Box>
      {waves.map((wave) => (
        <WaveLane key={wave.index} wave={wave} total={total} />
      ))}
      <Box pt="xs">
        <WaveLegend />
      </Box>
    </Box>
  );
};
