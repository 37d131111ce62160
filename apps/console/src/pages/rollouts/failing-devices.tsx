import { Group, Stack, Text } from '@mantine/core';
import { IconRefresh } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { type RolloutDetail, retryRollout } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { Loaded } from '../../components/loaded.tsx';
import { MoreButton } from '../../components/more-button.tsx';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { Panel } from '../../components/panel.tsx';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { deviceCount } from '../../components/wave-portions.ts';
import { type FailureGroup, groupFailures } from './failure-groups.ts';
import { actionEquivalent, retryRefusalOf } from './rollout-commands.ts';

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

/** Gives those that may have better luck a new try. */
const RetryButton = ({ rollout }: { rollout: RolloutDetail }) => {
  const client = useQueryClient();
  const retry = useMutation({
    mutationFn: async () => {
      let answer = await retryRollout({ path: { id: rollout.id }, body: {} });
      while (answer.more) answer = await retryRollout({ path: { id: rollout.id }, body: {} });
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['rollouts'] }),
  });
  return (
    <>
      <RoleButton
        size="xs"
        variant="default"
        leftSection={<IconRefresh size={15} aria-hidden />}
        refusal={retryRefusalOf(rollout)}
        hint={`Those that failed, timed out or were canceled are told again; who refused the release or went back only by name. ${actionEquivalent(rollout.id, 'retry')}`}
        loading={retry.isPending}
        onClick={() => retry.mutate()}
      >
        Try again
      </RoleButton>
      {retry.isError && <ProblemAlert error={retry.error} />}
    </>
  );
};

/** Devices on which the release did not work, by why. */
export const FailingDevices = ({ rollout }: { rollout: RolloutDetail }) => {
  const query = useInfiniteQuery(queries.rolloutExecutions(rollout.id, 'failed'));
  return (
    <Panel title="Failing devices" note="grouped by reason" actions={<RetryButton rollout={rollout} />}>
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
