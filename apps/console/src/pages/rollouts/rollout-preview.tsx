import { spanWords } from '@aviary/rollout';
import { Stack, Table, Text } from '@mantine/core';
import type { RolloutPreview } from '../../api/generated/index.ts';
import { byteWords } from '../../components/byte-words.ts';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { WaveRibbon } from '../../components/wave-picture.tsx';
import { deviceCount } from '../../components/wave-portions.ts';

/** More than this many nobody reads. */
const MOST_SITES = 10;

const stratumWords = (strata: Readonly<Record<string, number>>): string =>
  Object.entries(strata)
    .filter(([, count]) => count > 0)
    .map(([stratum, count]) => `${count.toLocaleString('en')} ${stratum || 'without profile'}`)
    .join(', ');

/** The waves as they will be, before anything has begun. */
const plannedWaves = (preview: RolloutPreview) =>
  preview.waves.map(({ index, size, cumulative }) => ({
    index,
    size,
    cumulative,
    state: 'SCHEDULED' as const,
    counts: {},
    startedAt: null,
    soakUntil: null,
    endedAt: null,
    gates: [],
  }));

const passedAfter = ({ forecast }: RolloutPreview, index: number): string => {
  const wave = forecast.waves.find((each) => each.index === index);
  return wave === undefined ? '–' : spanWords(wave.seconds);
};

/** Rollouts under way that want some of the same devices, and who gets them. */
const Overlaps = ({ overlaps }: Pick<RolloutPreview, 'overlaps'>) =>
  overlaps.map(({ rolloutId, release, devices, priority, outranked }) => (
    <Text key={rolloutId} size="sm" c="var(--av-warning)">
      <NavAnchor to="/rollouts/$rolloutId" params={{ rolloutId }} underline="always">
        A rollout of {release}
      </NavAnchor>{' '}
      (priority {priority}) is under way on {deviceCount(devices)} of these;{' '}
      {outranked ? 'this one outranks it and takes them.' : 'it outranks this one and keeps those that it takes.'}
    </Text>
  ));

/** The earliest finish, and what it does not count. */
const Forecast = ({ forecast }: Pick<RolloutPreview, 'forecast'>) => (
  <Text size="sm">
    {forecast.seconds === null
      ? 'It takes more than a year.'
      : `It finishes in ${spanWords(forecast.seconds)} at the earliest.`}
    {forecast.leavesOut.length > 0 && (
      <Text span size="sm" c="dimmed">
        {' '}
        Not counted: {forecast.leavesOut.join('; ')}.
      </Text>
    )}
  </Text>
);

/** Whom each wave is compared with, and the smallest harm that it can find. */
const Comparisons = ({ preview: { control, comparisons } }: { preview: RolloutPreview }) => (
  <Stack gap={4}>
    <Text size="sm" fw={600}>
      Control group
    </Text>
    <Text size="sm">
      {Object.keys(control).length === 0
        ? 'No device is held back, so nothing is compared.'
        : `Held back until the last wave: ${stratumWords(control)}.`}
    </Text>
    {comparisons.map(({ wave, gate, words }) => (
      <Text key={`${wave} ${gate}`} size="sm">
        <b>{gate}</b> {words}
      </Text>
    ))}
  </Stack>
);

const Sites = ({ sites }: Pick<RolloutPreview, 'sites'>) => (
  <Table aria-label="Bytes by site">
    <Table.Thead>
      <Table.Tr>
        <Table.Th>Site</Table.Th>
        <Table.Th>Devices</Table.Th>
        <Table.Th>To download</Table.Th>
      </Table.Tr>
    </Table.Thead>
    <Table.Tbody>
      {sites.slice(0, MOST_SITES).map(({ site, devices, bytes }) => (
        <Table.Tr key={site}>
          <Table.Td>{site || 'without the label site'}</Table.Td>
          <Table.Td>{devices.toLocaleString('en')}</Table.Td>
          <Table.Td>{byteWords(bytes)}</Table.Td>
        </Table.Tr>
      ))}
      {sites.length > MOST_SITES && (
        <Table.Tr>
          <Table.Td colSpan={3}>
            <Text size="sm" c="dimmed">
              and {(sites.length - MOST_SITES).toLocaleString('en')} more; the command with -o json shows all
            </Text>
          </Table.Td>
        </Table.Tr>
      )}
    </Table.Tbody>
  </Table>
);

/** What a dry run found: who gets the release when, which variant, and who cannot run it. */
export const RolloutPreviewView = ({ preview }: { preview: RolloutPreview }) => {
  const without = preview.variants.filter(({ variant }) => variant === null);
  const stranded = without.reduce((sum, { devices }) => sum + devices, 0);
  return (
    <Stack gap="sm">
      <Text size="sm">
        <b className="mono">{preview.release}</b> to {deviceCount(preview.devices)}, {byteWords(preview.bytes)} in all.
        Nothing was created.
      </Text>
      {stranded > 0 && (
        <Text size="sm" c="var(--av-warning)">
          {deviceCount(stranded)} cannot run it, and will be rejected: see below.
        </Text>
      )}
      <Overlaps overlaps={preview.overlaps} />
      <WaveRibbon waves={plannedWaves(preview)} />
      <Table aria-label="Waves">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Wave</Table.Th>
            <Table.Th>Adds</Table.Th>
            <Table.Th>Then</Table.Th>
            <Table.Th>Passed after</Table.Th>
            <Table.Th>Of</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {preview.waves.map(({ index, size, cumulative, strata }) => (
            <Table.Tr key={index}>
              <Table.Td>{index + 1}</Table.Td>
              <Table.Td>{size.toLocaleString('en')}</Table.Td>
              <Table.Td>{cumulative.toLocaleString('en')}</Table.Td>
              <Table.Td>{passedAfter(preview, index)}</Table.Td>
              <Table.Td>{size === 0 ? 'none: it will be skipped' : stratumWords(strata)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Forecast forecast={preview.forecast} />
      <Comparisons preview={preview} />
      <Table aria-label="Variants">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Profile</Table.Th>
            <Table.Th>Devices</Table.Th>
            <Table.Th>Variant</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {preview.variants.map(({ profile, devices, variant, reason }) => (
            <Table.Tr key={profile}>
              <Table.Td className="mono">{profile}</Table.Td>
              <Table.Td>{devices.toLocaleString('en')}</Table.Td>
              <Table.Td>
                {variant === null ? (
                  <Text size="sm" c="var(--av-warning)">
                    none
                  </Text>
                ) : (
                  <span className="mono">{variant}</span>
                )}
                <Text size="xs" c="dimmed">
                  {reason}
                </Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Sites sites={preview.sites} />
    </Stack>
  );
};
