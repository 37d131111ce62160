import { ActionIcon, Button, Group, Modal, Stack, TextInput } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { type DeviceDetail, labelDevice } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { Equivalent } from '../../components/equivalent.tsx';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { useAttempt } from '../../components/use-attempt.ts';
import { type LabelRow, labelChanges, labelCommand, rowProblems } from './label-changes.ts';

/** A form over all labels of a device; only what was changed is said, so that two people do not undo each other. */
export const LabelsDialog = ({ device, onClose }: { device: DeviceDetail; onClose: () => void }) => {
  const client = useQueryClient();
  const [before] = useState(device.labels);
  const [rows, setRows] = useState<readonly LabelRow[]>(() =>
    Object.entries(device.labels)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value], row) => ({ row, key, value })),
  );
  const [next, setNext] = useState(rows.length);
  const [error, setError] = useState<unknown>(null);
  const { busy, attempt } = useAttempt(setError);
  const problems = rowProblems(rows);
  const changes = labelChanges(before, rows);
  const changed = Object.keys(changes).length > 0;

  const add = () => {
    setRows([...rows, { row: next, key: '', value: '' }]);
    setNext(next + 1);
  };
  const set = (row: number, part: Partial<LabelRow>) =>
    setRows(rows.map((each) => (each.row === row ? { ...each, ...part } : each)));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (problems.size > 0 || !changed) return;
    attempt(async () => {
      const { labels } = await labelDevice({ path: { id: device.id }, body: { labels: changes } });
      client.setQueryData(queries.device(device.id).queryKey, (known) => known && { ...known, labels });
      onClose();
    });
  };

  return (
    <Modal opened onClose={onClose} title={`Labels of ${device.name}`} size="lg">
      <form onSubmit={submit}>
        <Stack gap="xs">
          {rows.map(({ row, key, value }) => (
            <Group key={row} gap="xs" align="flex-start" wrap="nowrap">
              <TextInput
                aria-label="Key"
                placeholder="site"
                classNames={{ input: 'mono' }}
                flex={1}
                value={key}
                onChange={(event) => set(row, { key: event.currentTarget.value })}
                error={problems.get(row)}
              />
              <TextInput
                aria-label={`Value of ${key === '' ? 'the new label' : key}`}
                placeholder="lyon"
                classNames={{ input: 'mono' }}
                flex={1}
                value={value}
                onChange={(event) => set(row, { value: event.currentTarget.value })}
              />
              <ActionIcon
                variant="subtle"
                color="gray"
                size="lg"
                aria-label={`Remove ${key === '' ? 'the new label' : key}`}
                onClick={() => setRows(rows.filter((each) => each.row !== row))}
              >
                <IconTrash size={16} />
              </ActionIcon>
            </Group>
          ))}
          <Group>
            <Button variant="subtle" leftSection={<IconPlus size={16} aria-hidden />} onClick={add}>
              Add a label
            </Button>
          </Group>
          {changed && problems.size === 0 && <Equivalent command={labelCommand(device.id, changes)} />}
          <ProblemAlert error={error} title="The labels were not changed" />
          <Group justify="flex-end" mt="xs">
            <Button variant="default" onClick={onClose}>
              Leave it
            </Button>
            <RoleButton type="submit" loading={busy} disabled={!changed || problems.size > 0}>
              Save
            </RoleButton>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};
