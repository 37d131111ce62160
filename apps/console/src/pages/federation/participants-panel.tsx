import { Table, Text } from '@mantine/core';
import type { RoundParticipant } from '../../api/generated/index.ts';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { StateBadge } from '../../components/state-badge.tsx';

const PARTS: Readonly<Record<RoundParticipant['part'], string>> = { train: 'trains', evaluate: 'judges' };

/** The devices of a round, and what came of each. */
export const ParticipantsPanel = ({ participants }: { participants: readonly RoundParticipant[] }) => (
  <Panel title="Participants" note={participants.length === 0 ? undefined : `${participants.length}`} flush>
    {participants.length === 0 ? (
      <Text size="sm" c="dimmed" p="md">
        None yet: they are chosen when enough devices are eligible.
      </Text>
    ) : (
      <Table highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Device</Table.Th>
            <Table.Th>Part</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th ta="right">Samples</Table.Th>
            <Table.Th ta="right">Loss</Table.Th>
            <Table.Th ta="right">Norm</Table.Th>
            <Table.Th>Reason</Table.Th>
            <Table.Th>Changed</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {participants.map((each) => (
            <Table.Tr key={`${each.deviceId} ${each.part}`}>
              <Table.Td>
                <NavAnchor to="/devices/$deviceId" params={{ deviceId: each.deviceId }}>
                  {each.deviceName}
                </NavAnchor>
              </Table.Td>
              <Table.Td>{PARTS[each.part]}</Table.Td>
              <Table.Td>
                <StateBadge state={each.state} />
              </Table.Td>
              <Table.Td ta="right">{each.samples?.toLocaleString('en') ?? '–'}</Table.Td>
              <Table.Td ta="right">{each.loss?.toFixed(3) ?? '–'}</Table.Td>
              <Table.Td ta="right">{each.norm?.toFixed(3) ?? '–'}</Table.Td>
              <Table.Td maw={320} style={{ overflowWrap: 'anywhere' }}>
                {each.reason ?? ''}
              </Table.Td>
              <Table.Td c="dimmed">
                <RelativeTime at={each.updatedAt} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    )}
  </Panel>
);
