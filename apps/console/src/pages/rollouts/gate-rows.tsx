import { ActionIcon, Button, Group, Menu, Stack, Text, TextInput } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { PlacedProblems } from '../../components/placed-problems.ts';
import { GATE_NAMES, type GateKind, gateName, gateWords } from './gate-kinds.ts';
import classes from './gate-rows.module.css';
import { type GateRow, newGate } from './rollout-form.ts';

interface Props {
  readonly gates: readonly GateRow[];
  readonly problems: PlacedProblems;
  readonly onChange: (gates: readonly GateRow[]) => void;
}

/** The gates of a form: what stops a wave. */
export const GateRows = ({ gates, problems, onChange }: Props) => {
  const edit = (index: number, kind: GateKind, key: string, text: string) => {
    problems.changed(`gates.${index}.${gateName(kind)}.${key}`);
    onChange(gates.map((gate, at) => (at === index ? { ...gate, values: { ...gate.values, [key]: text } } : gate)));
  };
  const replace = (next: readonly GateRow[]) => {
    problems.changed('gates');
    onChange(next);
  };

  return (
    <Stack gap="sm">
      {gates.length === 0 && (
        <Text size="sm" c="dimmed">
          No gate: only a device’s own probation protects it, and every wave passes.
        </Text>
      )}
      {gates.map((gate, index) => {
        const { title, help, fields } = gateWords(gate.kind);
        const place = `gates.${index}.${gateName(gate.kind)}`;
        // Of the gate as a whole: it is there twice, beside the wrong mode, or has nothing to compare with.
        const problem = problems.at(`gates.${index}`) ?? problems.at(place) ?? problems.at(`${place}.versus`);
        return (
          <fieldset key={gate.key} className={classes.gate}>
            <legend className={classes.legend}>{title}</legend>
            <Group gap="sm" align="flex-start" wrap="wrap">
              {fields.map(({ key, label, placeholder }) => (
                <TextInput
                  key={key}
                  w={190}
                  label={label}
                  placeholder={placeholder}
                  value={gate.values[key] ?? ''}
                  error={problems.at(`${place}.${key}`)}
                  onChange={(event) => edit(index, gate.kind, key, event.currentTarget.value)}
                  autoComplete="off"
                />
              ))}
              <ActionIcon
                ml="auto"
                mt={24}
                variant="subtle"
                color="gray"
                aria-label={`Remove the gate ${title}`}
                onClick={() => replace(gates.filter((_, at) => at !== index))}
              >
                <IconTrash size={16} />
              </ActionIcon>
            </Group>
            <Text size="xs" c="dimmed" mt={4}>
              {help}
            </Text>
            {problem !== undefined && (
              <Text size="xs" c="var(--mantine-color-error)">
                {problem}
              </Text>
            )}
          </fieldset>
        );
      })}
      <Menu position="bottom-start">
        <Menu.Target>
          <Button
            variant="default"
            size="xs"
            leftSection={<IconPlus size={14} aria-hidden />}
            style={{ alignSelf: 'flex-start' }}
          >
            Add a gate
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {GATE_NAMES.map((kind) => (
            <Menu.Item key={kind} onClick={() => replace([...gates, newGate(kind)])}>
              {gateWords(kind).title}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </Stack>
  );
};
