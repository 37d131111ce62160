import { SegmentedControl, Table, Text } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ExecutionView } from '../../api/generated/index.ts';
import { type ExecutionOutcome, queries } from '../../api/queries.ts';
import { Loaded } from '../../components/loaded.tsx';
import { MoreButton } from '../../components/more-button.tsx';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { StateBadge } from '../../components/state-badge.tsx';

const OUTCOMES: readonly { value: ExecutionOutcome | 'all'; label: string }[] = [
  { value: 'all', label: 'All' },
  { value: 'open', label: 'Under way' },
  { value: 'succeeded', label: 'Succeeded' },
  { value: 'failed', label: 'Failed' },
  { value: 'canceled', label: 'Canceled' },
];

const ExecutionRow = ({ execution }: { execution: ExecutionView }) => (
  <Table.Tr>
    <Table.Td>
      <NavAnchor to="/devices/$deviceId" params={{ deviceId: execution.deviceId }}>
        {execution.deviceName}
      </NavAnchor>
    </Table.Td>
    <Table.Td>
      {execution.profile ?? (
        <Text span c="dimmed" size="sm">
          none
        </Text>
      )}
    </Table.Td>
    <Table.Td>{execution.wave === null ? 'going back' : execution.wave + 1}</Table.Td>
    <Table.Td>
      <StateBadge state={execution.state} />
      {execution.diverged && (
        <Text size="xs" c="var(--av-error)">
          runs something else since
        </Text>
      )}
    </Table.Td>
    <Table.Td className="mono">{execution.variant ?? '–'}</Table.Td>
    <Table.Td className="mono">{execution.from ?? '–'}</Table.Td>
    <Table.Td maw={360}>
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        {execution.reason ?? ''}
      </Text>
      {execution.shadow !== null && execution.shadow.words !== execution.reason && (
        <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          in shadow: {execution.shadow.words}
        </Text>
      )}
    </Table.Td>
    <Table.Td c="dimmed">
      <RelativeTime at={execution.updatedAt} />
    </Table.Td>
  </Table.Tr>
);

/** Each device's part in a rollout. */
export const ExecutionsTable = ({ rolloutId }: { rolloutId: string }) => {
  const [outcome, setOutcome] = useState<ExecutionOutcome | 'all'>('all');
  const query = useInfiniteQuery(queries.rolloutExecutions(rolloutId, outcome === 'all' ? undefined : outcome));
  return (
    <Panel
      title="Executions"
      note="each device’s part"
      flush
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Which executions"
          data={OUTCOMES.map((each) => ({ ...each }))}
          value={outcome}
          onChange={setOutcome}
        />
      }
    >
      <Loaded query={query} what="the executions">
        {({ pages }) => {
          const executions = pages.flatMap((page) => page.items);
          if (executions.length === 0) {
            return (
              <Text size="sm" c="dimmed" p="md">
                {outcome === 'all' ? 'None yet: they begin with the first wave.' : 'None.'}
              </Text>
            );
          }
          return (
            <>
              <Table highlightOnHover>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Device</Table.Th>
                    <Table.Th>Profile</Table.Th>
                    <Table.Th>Wave</Table.Th>
                    <Table.Th>State</Table.Th>
                    <Table.Th>Variant</Table.Th>
                    <Table.Th>From</Table.Th>
                    <Table.Th>Reason</Table.Th>
                    <Table.Th>Changed</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {executions.map((execution) => (
                    <ExecutionRow key={execution.id} execution={execution} />
                  ))}
                </Table.Tbody>
              </Table>
              <MoreButton query={query} what="executions" />
            </>
          );
        }}
      </Loaded>
    </Panel>
  );
};
