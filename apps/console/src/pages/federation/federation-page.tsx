import { Table, Text } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { RoundSummary } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { EmptyState } from '../../components/empty-state.tsx';
import { Loaded } from '../../components/loaded.tsx';
import { MoreButton } from '../../components/more-button.tsx';
import { NavAnchor, NavButton } from '../../components/nav-anchor.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { StateBadge } from '../../components/state-badge.tsx';

const RoundRow = ({ round }: { round: RoundSummary }) => (
  <Table.Tr>
    <Table.Td>
      <StateBadge state={round.state} />
    </Table.Td>
    <Table.Td>
      <NavAnchor to="/federation/$roundId" params={{ roundId: round.id }} className="mono">
        {round.id.slice(0, 8)}
      </NavAnchor>
    </Table.Td>
    <Table.Td className="mono">{round.release}</Table.Td>
    <Table.Td maw={220}>
      <Text size="sm" className="mono" truncate title={round.target}>
        {round.target}
      </Text>
    </Table.Td>
    <Table.Td style={{ whiteSpace: 'nowrap' }}>
      {round.updates.toLocaleString('en')} of {round.goal.toLocaleString('en')}
      {round.refused > 0 && (
        <Text span size="sm" c="var(--av-error)">
          , {round.refused.toLocaleString('en')} refused
        </Text>
      )}
    </Table.Td>
    <Table.Td>
      {round.candidate === null ? (
        <Text span size="sm" c="dimmed">
          {round.state === 'COMMITTED' ? 'not published yet' : '–'}
        </Text>
      ) : (
        <NavAnchor to="/models/$release" params={{ release: round.candidate }} className="mono">
          {round.candidate}
        </NavAnchor>
      )}
    </Table.Td>
    <Table.Td c="dimmed">
      <RelativeTime at={round.createdAt} />
    </Table.Td>
  </Table.Tr>
);

const NoRounds = () => (
  <EmptyState
    title="No round yet"
    commands={[
      '# in model.yaml: training: auto',
      'aviary model push ./meter-reader',
      'aviary-agent run --learn',
      'aviary fed create --release meter-reader@1.1.0 --target all',
    ]}
    action={
      <NavButton to="/federation/new" search={{}}>
        New round
      </NavButton>
    }
  >
    In a round devices improve a release on what they have seen; no picture leaves them. It needs a release that was
    pushed with <code className="mono">training: auto</code>, agents that run with <code className="mono">--learn</code>
    , and labels, which each agent takes at <code className="mono">POST /v1/feedback</code> on its own socket.
  </EmptyState>
);

/** All federated rounds, newest first. */
export const FederationPage = () => {
  const query = useInfiniteQuery(queries.rounds());
  return (
    <>
      <PageHeader title="Federation" subtitle="Models that learn on the devices, without a picture leaving one">
        <NavButton to="/federation/new" search={{}}>
          New round
        </NavButton>
      </PageHeader>
      <Panel title="Rounds" flush>
        <Loaded query={query} what="the rounds">
          {({ pages }) => {
            const rounds = pages.flatMap((page) => page.items);
            if (rounds.length === 0) return <NoRounds />;
            return (
              <>
                <Table highlightOnHover>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>State</Table.Th>
                      <Table.Th>Round</Table.Th>
                      <Table.Th>Improves</Table.Th>
                      <Table.Th>Target</Table.Th>
                      <Table.Th>Updates</Table.Th>
                      <Table.Th>Candidate</Table.Th>
                      <Table.Th>Created</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {rounds.map((round) => (
                      <RoundRow key={round.id} round={round} />
                    ))}
                  </Table.Tbody>
                </Table>
                <MoreButton query={query} what="rounds" />
              </>
            );
          }}
        </Loaded>
      </Panel>
    </>
  );
};
