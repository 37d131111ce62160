import { Group, Text } from '@mantine/core';
import {
  type Icon,
  IconArrowBackUp,
  IconCheck,
  IconPlayerPause,
  IconPlayerPlay,
  IconPlayerStop,
  IconPlayerTrackNext,
  IconX,
} from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { RolloutAction, RolloutDetail } from '../../api/generated/index.ts';
import { actOnRollout } from '../../api/generated/index.ts';
import { ConfirmButton } from '../../components/confirm-button.tsx';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { actionEquivalent, actionsOf, ROLLOUT_ACTIONS, refusalOf } from './rollout-commands.ts';
import { progressOf } from './rollout-progress.ts';
import classes from './rollout-toolbar.module.css';

const ICONS: Readonly<Record<RolloutAction, Icon>> = {
  approve: IconCheck,
  deny: IconX,
  pause: IconPlayerPause,
  resume: IconPlayerPlay,
  promote: IconPlayerTrackNext,
  abort: IconPlayerStop,
  undo: IconArrowBackUp,
};

/** What a person can do with a rollout, in reach wherever the page is scrolled to. */
export const RolloutToolbar = ({ rollout }: { rollout: RolloutDetail }) => {
  const client = useQueryClient();
  const act = useMutation({
    mutationFn: (action: RolloutAction) => actOnRollout({ path: { id: rollout.id, action } }),
    onSettled: () => client.invalidateQueries({ queryKey: ['rollouts'] }),
  });
  const { done, total, failed } = progressOf(rollout);
  return (
    <>
      <div className={classes.bar} role="toolbar" aria-label="What can be done with this rollout">
        <Group gap="md">
          <Text component="div" fw={600}>
            <StateBadge state={rollout.state} />
          </Text>
          <Text size="sm" c="dimmed">
            {done.toLocaleString('en')} of {total.toLocaleString('en')} devices have it
            {failed > 0 && `, ${failed.toLocaleString('en')} failed`}
          </Text>
        </Group>
        <Group gap="xs">
          {actionsOf(rollout).map((action) => {
            const { label, meaning, asks } = ROLLOUT_ACTIONS[action];
            const command = actionEquivalent(rollout.id, action);
            const ActionIcon = ICONS[action];
            const shared = {
              size: 'xs',
              variant: 'default',
              leftSection: <ActionIcon size={15} aria-hidden />,
              refusal: refusalOf(rollout, action),
              hint: `${meaning} ${command}`,
            } as const;
            if (!asks) {
              return (
                <RoleButton
                  key={action}
                  {...shared}
                  loading={act.isPending && act.variables === action}
                  onClick={() => act.mutate(action)}
                >
                  {label}
                </RoleButton>
              );
            }
            return (
              <ConfirmButton
                key={action}
                {...shared}
                label={label}
                command={`${command} --yes`}
                {...(rollout.target.trim() === 'all' ? { typeToConfirm: rollout.release } : {})}
                onConfirm={() => act.mutateAsync(action)}
              >
                {meaning}
              </ConfirmButton>
            );
          })}
        </Group>
      </div>
      {act.error !== null && <ProblemAlert error={act.error} />}
    </>
  );
};
