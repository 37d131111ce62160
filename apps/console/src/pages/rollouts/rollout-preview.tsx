import { Stack, Table, Text } from '@mantine/core';
import type { RolloutPreview } from '../../api/generated/index.ts';
import { byteWords } from '../../components/byte-words.ts';
import { WaveRibbon } from '../../components/wave-picture.tsx';
import { deviceCount } from '../../components/wave-portions.ts';

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
      <WaveRibbon waves={plannedWaves(preview)} />
      <Table aria-label="Waves">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Wave</Table.Th>
            <Table.Th>Adds</Table.Th>
            <Table.Th>Then</Table.Th>
            <Table.Th>Of</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {preview.waves.map(({ index, size, cumulative, strata }) => (
            <Table.Tr key={index}>
              <Table.Td>{index + 1}</Table.Td>
              <Table.Td>{size.toLocaleString('en')}</Table.Td>
              <Table.Td>{cumulative.toLocaleString('en')}</Table.Td>
              <Table.Td>{size === 0 ? 'none: it will be skipped' : stratumWords(strata)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
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
    </Stack>
  );
};
