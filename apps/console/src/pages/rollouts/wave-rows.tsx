import { ActionIcon, Button, Group, Table, TextInput } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { PlacedProblems } from '../../components/placed-problems.ts';
import { newWave, type WaveRow } from './rollout-form.ts';

interface Props {
  readonly waves: readonly WaveRow[];
  readonly problems: PlacedProblems;
  readonly onChange: (waves: readonly WaveRow[]) => void;
}

const FIELDS = [
  { key: 'size', label: 'Size', placeholder: '10% or 5' },
  { key: 'minimum', label: 'At least', placeholder: 'none' },
  { key: 'soak', label: 'Soak', placeholder: '30m' },
] as const;

const HEADERS = ['Wave', 'Size (cumulative)', 'At least (devices)', 'Soak'] as const;

/** The waves of a form: how many devices have the release after each, and how long it is watched. */
export const WaveRows = ({ waves, problems, onChange }: Props) => {
  const edit = (index: number, key: (typeof FIELDS)[number]['key'], text: string) => {
    // What is wrong with one size is often said at its neighbour.
    problems.changed(key === 'size' ? 'strategy.waves' : `strategy.waves.${index}.${key}`);
    onChange(waves.map((wave, at) => (at === index ? { ...wave, [key]: text } : wave)));
  };
  const replace = (next: readonly WaveRow[]) => {
    problems.changed('strategy.waves');
    onChange(next);
  };
  const add = () => replace([...waves.slice(0, -1), newWave('', waves.at(-1)?.soak ?? '30m'), ...waves.slice(-1)]);

  return (
    <>
      <Table withRowBorders={false} verticalSpacing={4} horizontalSpacing={6}>
        <Table.Thead>
          <Table.Tr>
            {HEADERS.map((header) => (
              <Table.Th key={header}>{header}</Table.Th>
            ))}
            <Table.Td />
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {waves.map((wave, index) => (
            <Table.Tr key={wave.key} style={{ verticalAlign: 'top' }}>
              <Table.Td w={60} pt={10}>
                {index + 1}
              </Table.Td>
              {FIELDS.map(({ key, label, placeholder }) => (
                <Table.Td key={key}>
                  <TextInput
                    aria-label={`${label} of wave ${index + 1}`}
                    value={wave[key]}
                    placeholder={placeholder}
                    error={problems.at(`strategy.waves.${index}.${key}`)}
                    onChange={(event) => edit(index, key, event.currentTarget.value)}
                    autoComplete="off"
                  />
                </Table.Td>
              ))}
              <Table.Td w={40} pt={8}>
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={`Remove wave ${index + 1}`}
                  disabled={waves.length === 1}
                  onClick={() => replace(waves.filter((_, at) => at !== index))}
                >
                  <IconTrash size={16} />
                </ActionIcon>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Group mt="xs">
        <Button variant="default" size="xs" leftSection={<IconPlus size={14} aria-hidden />} onClick={add}>
          Add a wave
        </Button>
      </Group>
    </>
  );
};
