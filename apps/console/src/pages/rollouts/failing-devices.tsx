import { Group, Stack, Text } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { queries } from '../../api/queries.ts';
import { Loaded } from '../../components/loaded.tsx';
import { MoreButton } from '../../components/more-button.tsx';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { Panel } from '../../components/panel.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { deviceCount } from '../../components/wave-portions.ts';
import { type FailureGroup, groupFailures } from './failure-groups.ts';

/** More names than that are no longer read; the table below has them all. */
const NAMED = 12;

const FailureGroupView = ({ group }: { group: FailureGroup }) => {
  const rest = group.executions.length - NAMED;
  return (
    <Stack gap={4}>
      <Group gap="sm" align="baseline">
        <Text fw={600} size="sm">
          {deviceCount(group.executions.length)}
        </Text>
        <StateBadge state={group.state} />
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          {group.reason}
          {group.varies && (
            <Text span size="sm" c="dimmed">
              {' '}
              (others with other numbers)
            </Text>
          )}
        </Text>
      </Group>
      <Group gap="sm">
        {group.executions.slice(0, NAMED).map(({ id, deviceId, deviceName }) => (
          <NavAnchor key={id} to="/devices/$deviceId" params={{ deviceId }}>
            {deviceName}
          </NavAnchor>
        ))}
        {rest > 0 && (
          <Text size="sm" c="dimmed">
            and {rest.toLocaleString('en')} more
          </Text>
        )}
      </Group>
    </Stack>
  );
};

/** Devices on which the release did not work, by why. */
export const FailingDevices = ({ rolloutId }: { rolloutId: string }) => {
  const query = useInfiniteQuery(queries.rolloutExecutions(rolloutId, 'failed'));
  return (
    <Panel title="Failing devices" note="grouped by reason">
      <Loaded query={query} what="the devices that failed">
        {({ pages }) => (
          <Stack gap="md">
            {groupFailures(pages.flatMap((page) => page.items)).map((group) => (
              <FailureGroupView key={`${group.state} ${group.reason}`} group={group} />
            ))}
            <MoreButton query={query} what="failing devices" />
          </Stack>
        )}
      </Loaded>
    </Panel>
  );
};
