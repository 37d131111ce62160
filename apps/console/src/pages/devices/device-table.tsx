import { Table, Text } from '@mantine/core';
import type { DeviceSummary } from '../../api/generated/index.ts';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { Labels } from './labels.tsx';
import { LastSeen } from './last-seen.tsx';
import { ReleaseCell } from './release-cell.tsx';

export const DeviceTable = ({ devices }: { devices: readonly DeviceSummary[] }) => (
  <Table highlightOnHover aria-label="Devices">
    <Table.Thead>
      <Table.Tr>
        <Table.Th>Device</Table.Th>
        <Table.Th>Presence</Table.Th>
        <Table.Th>Last seen</Table.Th>
        <Table.Th>Profile</Table.Th>
        <Table.Th>Runs → is to run</Table.Th>
        <Table.Th>Labels</Table.Th>
      </Table.Tr>
    </Table.Thead>
    <Table.Tbody>
      {devices.map((device) => (
        <Table.Tr key={device.id}>
          <Table.Td>
            <NavAnchor to="/devices/$deviceId" params={{ deviceId: device.id }} fw={550}>
              {device.name}
            </NavAnchor>
            <Text size="xs" c="dimmed" className="mono">
              {device.id}
            </Text>
          </Table.Td>
          <Table.Td>
            <StateBadge state={device.revokedAt === null ? device.presence : 'revoked'} />
          </Table.Td>
          <Table.Td>
            <LastSeen device={device} />
          </Table.Td>
          <Table.Td>
            {device.profile ?? (
              <Text component="span" size="sm" c="var(--av-warning)">
                none fits
              </Text>
            )}
          </Table.Td>
          <Table.Td>
            <ReleaseCell running={device.running?.release ?? null} assigned={device.assigned} />
          </Table.Td>
          <Table.Td>
            <Labels labels={device.labels} />
          </Table.Td>
        </Table.Tr>
      ))}
    </Table.Tbody>
  </Table>
);
