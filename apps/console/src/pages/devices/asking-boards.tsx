import { Group, Table, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { type JoiningKey, rejectKey } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { commandLine } from '../../components/command-line.ts';
import { ConfirmButton } from '../../components/confirm-button.tsx';
import { Panel } from '../../components/panel.tsx';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { OPERATORS, useMay } from '../../session/use-session.ts';
import { ApproveDialog } from './approve-dialog.tsx';
import classes from './asking-boards.module.css';

/** Boards that wait for somebody, and those that were let in and have not come yet. */
const isAsking = ({ state, deviceId }: JoiningKey): boolean =>
  state === 'PENDING' || (state === 'ACCEPTED' && deviceId === null);

/** Boards that ask to join with their key alone; nothing where none does. */
export const AskingBoards = () => {
  const { data, error } = useQuery(queries.joiningKeys());
  const [approving, setApproving] = useState<JoiningKey>();
  const may = useMay(OPERATORS);
  const asking = data?.items.filter(isAsking) ?? [];
  return (
    <>
      <ProblemAlert error={error} title="Could not read which boards ask to join" />
      {asking.length > 0 && (
        <div className={classes.above}>
          <Panel
            title="Boards that ask to join"
            note={may ? undefined : `Letting them in needs the role ${OPERATORS.join(' or ')}`}
            flush
          >
            <AskingTable keys={asking} mayDecide={may} onApprove={setApproving} />
          </Panel>
        </div>
      )}
      {approving !== undefined && <ApproveDialog asking={approving} onClose={() => setApproving(undefined)} />}
    </>
  );
};

interface TableProps {
  readonly keys: readonly JoiningKey[];
  readonly mayDecide: boolean;
  readonly onApprove: (key: JoiningKey) => void;
}

const AskingTable = ({ keys, mayDecide, onApprove }: TableProps) => (
  <Table aria-label="Boards that ask to join">
    <Table.Thead>
      <Table.Tr>
        <Table.Th>Calls itself</Table.Th>
        <Table.Th>Fingerprint of its key</Table.Th>
        <Table.Th>From</Table.Th>
        <Table.Th>Since</Table.Th>
        <Table.Th>State</Table.Th>
        {mayDecide && (
          <Table.Th>
            <span className="visually-hidden">Decide</span>
          </Table.Th>
        )}
      </Table.Tr>
    </Table.Thead>
    <Table.Tbody>
      {keys.map((key) => (
        <Table.Tr key={key.fingerprint}>
          <Table.Td>
            <Text size="sm" fw={550}>
              {key.name ?? 'nothing'}
            </Text>
            <Text size="xs" c="dimmed">
              {key.profile ?? (key.state === 'PENDING' ? 'no profile fits' : 'any profile')}
            </Text>
          </Table.Td>
          <Table.Td>
            <code className={`mono ${classes.fingerprint}`}>{key.fingerprint}</code>
          </Table.Td>
          <Table.Td className="mono">{key.address ?? '–'}</Table.Td>
          <Table.Td>
            <RelativeTime at={key.createdAt} />
          </Table.Td>
          <Table.Td>
            <StateBadge state={key.state} {...(key.state === 'ACCEPTED' ? { label: 'Joins when it asks next' } : {})} />
          </Table.Td>
          {mayDecide && (
            <Table.Td>
              <Group gap="xs" justify="flex-end" wrap="nowrap">
                {key.state === 'PENDING' && (
                  <RoleButton
                    size="xs"
                    aria-label={`Approve ${key.name ?? key.fingerprint}`}
                    onClick={() => onApprove(key)}
                  >
                    Approve
                  </RoleButton>
                )}
                <RejectButton asking={key} />
              </Group>
            </Table.Td>
          )}
        </Table.Tr>
      ))}
    </Table.Tbody>
  </Table>
);

const RejectButton = ({ asking: { fingerprint, name } }: { asking: JoiningKey }) => {
  const client = useQueryClient();
  const reject = async () => {
    await rejectKey({ path: { fingerprint } });
    await client.invalidateQueries(queries.joiningKeys());
  };
  return (
    <ConfirmButton
      size="xs"
      variant="default"
      label="Reject"
      aria-label={`Reject ${name ?? fingerprint}`}
      command={commandLine('device', 'reject', fingerprint)}
      onConfirm={reject}
    >
      The board that calls itself {name ?? 'nothing'} is told so when it asks next, and does not join. To let its key in
      after all, within a day: <code className="mono">aviary device approve</code> with its fingerprint.
    </ConfirmButton>
  );
};
