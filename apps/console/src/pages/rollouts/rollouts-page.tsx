import { Table, Text } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { RolloutSummary } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { EmptyState } from '../../components/empty-state.tsx';
import { Loaded } from '../../components/loaded.tsx';
import { MoreButton } from '../../components/more-button.tsx';
import { NavAnchor, NavButton } from '../../components/nav-anchor.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { WaveRibbon } from '../../components/wave-picture.tsx';
import { progressOf } from './rollout-progress.ts';

const RolloutRow = ({ rollout }: { rollout: RolloutSummary }) => {
  const { done, total, failed } = progressOf(rollout);
  return (
    <Table.Tr>
      <Table.Td>
        <StateBadge state={rollout.state} />
      </Table.Td>
      <Table.Td>
        <NavAnchor to="/rollouts/$rolloutId" params={{ rolloutId: rollout.id }} className="mono">
          {rollout.release}
        </NavAnchor>
      </Table.Td>
      <Table.Td maw={260}>
        <Text size="sm" className="mono" truncate title={rollout.target}>
          {rollout.target}
        </Text>
      </Table.Td>
      <Table.Td w="30%" miw={140}>
        <WaveRibbon waves={rollout.waves} />
      </Table.Td>
      <Table.Td style={{ whiteSpace: 'nowrap' }}>
        {done.toLocaleString('en')} of {total.toLocaleString('en')}
        {failed > 0 && (
          <Text span size="sm" c="var(--av-error)">
            , {failed.toLocaleString('en')} failed
          </Text>
        )}
      </Table.Td>
      <Table.Td c="dimmed">
        <RelativeTime at={rollout.createdAt} />
      </Table.Td>
    </Table.Tr>
  );
};

const NoRollouts = () => (
  <EmptyState
    title="No rollout yet"
    commands={['aviary rollout create --release meter-reader@1.0.0 --target all --waves 1,50%,100% --soak 30m --watch']}
    action={
      <NavButton to="/rollouts/new" search={{}}>
        New rollout
      </NavButton>
    }
  >
    A rollout brings a release to devices in waves. Each wave is judged by its gates before the next one begins, and
    what a gate finds can take the release back.
  </EmptyState>
);

/** All rollouts, newest first, each with its waves as a small picture. */
export const RolloutsPage = () => {
  const query = useInfiniteQuery(queries.rollouts());
  return (
    <>
      <PageHeader title="Rollouts" subtitle="Releases on their way to devices, in waves">
        <NavButton to="/rollouts/new" search={{}}>
          New rollout
        </NavButton>
      </PageHeader>
      <Panel title="All rollouts" flush>
        <Loaded query={query} what="the rollouts">
          {({ pages }) => {
            const rollouts = pages.flatMap((page) => page.items);
            if (rollouts.length === 0) return <NoRollouts />;
            return (
              <>
                <Table highlightOnHover>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>State</Table.Th>
                      <Table.Th>Release</Table.Th>
                      <Table.Th>Target</Table.Th>
                      <Table.Th>Waves</Table.Th>
                      <Table.Th>Devices</Table.Th>
                      <Table.Th>Created</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {rollouts.map((rollout) => (
                      <RolloutRow key={rollout.id} rollout={rollout} />
                    ))}
                  </Table.Tbody>
                </Table>
                <MoreButton query={query} what="rollouts" />
              </>
            );
          }}
        </Loaded>
      </Panel>
    </>
  );
};
