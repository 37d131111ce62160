import { Table, Text } from '@mantine/core';
import type { DeviceDetail } from '../../api/generated/index.ts';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { StateBadge } from '../../components/state-badge.tsx';

/** What happened on a device, newest first. */
export const EventsPanel = ({ events }: { events: DeviceDetail['events'] }) => (
  <Panel title="What happened" note={events.length === 0 ? undefined : `the newest ${events.length}`} flush>
    {events.length === 0 ? (
      <Text size="sm" c="dimmed" p="md">
        It has told of nothing yet.
      </Text>
    ) : (
      <Table aria-label="What happened">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>When</Table.Th>
            <Table.Th>Level</Table.Th>
            <Table.Th>What</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {events.map((event, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: events have no id; two may be the same
            <Table.Tr key={`${event.at} ${event.code} ${index}`}>
              <Table.Td>
                <RelativeTime at={event.at} />
              </Table.Td>
              <Table.Td>
                <StateBadge state={event.level} />
              </Table.Td>
              <Table.Td>
                {event.message}{' '}
                <Text component="span" size="xs" c="dimmed" className="mono">
                  {event.code}
                </Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    )}
  </Panel>
);
