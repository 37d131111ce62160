import { Table, Text } from '@mantine/core';
import type { RolloutSummary } from '../../api/generated/index.ts';
import { EmptyState } from '../../components/empty-state.tsx';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { RolloutLink } from '../../components/rollout-link.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { WaveRibbon } from '../../components/wave-picture.tsx';

/** Rollouts under way, each with its waves. */
export const RolloutsPanel = ({ rollouts }: { rollouts: readonly RolloutSummary[] }) => (
  <Panel title="Under way" actions={<NavAnchor to="/rollouts">All rollouts</NavAnchor>} flush>
    {rollouts.length === 0 ? (
      <EmptyState
        title="No rollout is under way"
        commands={['aviary rollout create --release meter-reader@1.1.0 --waves 5%,25%,100%']}
      >
        A rollout brings a release to devices in waves. Each wave is judged before the next one begins.
      </EmptyState>
    ) : (
      <Table aria-label="Rollouts under way">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Release</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th w="45%">Waves</Table.Th>
            <Table.Th>Begun</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rollouts.map((rollout) => (
            <Table.Tr key={rollout.id}>
              <Table.Td>
                <RolloutLink id={rollout.id} release={rollout.release} />
                <Text size="xs" c="dimmed" className="mono">
                  {rollout.target}
                </Text>
              </Table.Td>
              <Table.Td>
                <StateBadge state={rollout.state} />
                {rollout.reason !== null && (
                  <Text size="xs" c="dimmed">
                    {rollout.reason}
                  </Text>
                )}
              </Table.Td>
              <Table.Td>
                <WaveRibbon waves={rollout.waves} />
              </Table.Td>
              <Table.Td>
                <RelativeTime at={rollout.startedAt ?? rollout.createdAt} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    )}
  </Panel>
);
