import { Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { queries } from '../../api/queries.ts';
import { Loaded } from '../../components/loaded.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { RolloutLink } from '../../components/rollout-link.tsx';
import { StateBadge } from '../../components/state-badge.tsx';

/** A device's part in rollouts. */
export const ExecutionsPanel = ({ deviceId }: { deviceId: string }) => {
  const executions = useQuery(queries.deviceExecutions(deviceId));
  return (
    <Panel title="Its part in rollouts" flush>
      <Loaded query={executions} what="its executions">
        {({ items }) =>
          items.length === 0 ? (
            <Text size="sm" c="dimmed" p="md">
              No rollout has reached it yet.
            </Text>
          ) : (
            <Table aria-label="Its part in rollouts">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Release</Table.Th>
                  <Table.Th>State</Table.Th>
                  <Table.Th>Changed</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {items.map((execution) => (
                  <Table.Tr key={execution.id}>
                    <Table.Td>
                      <RolloutLink id={execution.rolloutId} release={execution.release} />
                      {execution.kind === 'rollback' && ' taken back'}
                    </Table.Td>
                    <Table.Td>
                      <StateBadge state={execution.state} />
                      {execution.diverged && ', then ran something else'}
                      {execution.reason !== null && (
                        <Text size="xs" c="dimmed">
                          {execution.reason}
                        </Text>
                      )}
                    </Table.Td>
                    <Table.Td>
                      <RelativeTime at={execution.updatedAt} />
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          )
        }
      </Loaded>
    </Panel>
  );
};
