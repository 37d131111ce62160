import { Grid, Stack, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { stringify } from 'yaml';
import { abandonRound, type RoundDetail } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { ConfirmButton } from '../../components/confirm-button.tsx';
import { Digest } from '../../components/digest.tsx';
import { Equivalent } from '../../components/equivalent.tsx';
import { HistoryPanel } from '../../components/history-panel.tsx';
import { KeyValue } from '../../components/key-value.tsx';
import { Loaded } from '../../components/loaded.tsx';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { EvaluationPanel } from './evaluation-panel.tsx';
import { ParticipantsPanel } from './participants-panel.tsx';
import { PhaseLine } from './phase-line.tsx';

const isEnded = (round: RoundDetail): boolean => round.state === 'COMMITTED' || round.state === 'ABANDONED';

/** With the next minor version, as the publisher may choose another. */
const candidateEquivalent = (round: RoundDetail): string => {
  const [model = '', version = ''] = round.release.split('@');
  const [major = '1', minor = '0'] = version.split('.');
  const next = `${major}.${Number(minor) + 1}.0`;
  return `aviary fed candidate ${round.id.slice(0, 8)} --from ./${model} --version ${next} --out ./${model}-${next} --push`;
};

const CandidatePanel = ({ round }: { round: RoundDetail }) => (
  <Panel title="Candidate">
    {round.candidate !== null ? (
      <Text size="sm">
        Published as{' '}
        <NavAnchor to="/models/$release" params={{ release: round.candidate }} className="mono" underline="always">
          {round.candidate}
        </NavAnchor>
        . Roll it out like any other release.
      </Text>
    ) : round.state === 'COMMITTED' ? (
      <Stack gap="sm">
        <Text size="sm">
          The aggregated update is ready. Its publisher makes the release from it, on the machine with the key: the
          backbone’s bytes stay as they are, the head is new.
        </Text>
        <Equivalent label="For the publisher" command={candidateEquivalent(round)} />
      </Stack>
    ) : (
      <Text size="sm" c="dimmed">
        {round.state === 'ABANDONED' ? 'None: the round was abandoned.' : 'When the round is committed.'}
      </Text>
    )}
  </Panel>
);

const AggregatePanel = ({ round }: { round: RoundDetail }) => (
  <Panel title="Aggregate">
    {round.aggregate === null ? (
      <Text size="sm" c="dimmed">
        {round.updates.toLocaleString('en')} updates so far; {round.goal.toLocaleString('en')} end the collecting.
      </Text>
    ) : (
      <KeyValue
        items={[
          [
            'Updates',
            `${round.aggregate.updates.toLocaleString('en')}, of ${round.aggregate.samples.toLocaleString('en')} samples`,
          ],
          ['Length', `${round.aggregate.norm.toFixed(4)} (L2)`],
          [
            'Clipped to',
            `${round.aggregate.clipNorm.toFixed(4)}; ${round.aggregate.clipped.toLocaleString('en')} were longer, and shortened`,
          ],
          ['Refused', round.refused.toLocaleString('en')],
          ['SHA-256', <Digest key="digest" value={round.aggregate.sha256} length={20} />],
          ['Backbone', <Digest key="backbone" value={round.backbone} length={20} />],
        ]}
      />
    )}
  </Panel>
);

const RoundView = ({ round }: { round: RoundDetail }) => {
  const client = useQueryClient();
  const id = round.id.slice(0, 8);
  const abandon = async () => {
    await abandonRound({ path: { id: round.id } });
    await client.invalidateQueries({ queryKey: ['rounds'] });
  };
  return (
    <>
      <PageHeader
        title={`Round ${id}`}
        mono
        parent={{ to: '/federation', label: 'Federation' }}
        subtitle={
          <>
            improves{' '}
            <NavAnchor to="/models/$release" params={{ release: round.release }} className="mono" underline="always">
              {round.release}
            </NavAnchor>{' '}
            on <span className="mono">{round.target}</span>, created <RelativeTime at={round.createdAt} />
          </>
        }
      >
        <ConfirmButton
          label="Abandon"
          variant="default"
          refusal={isEnded(round) ? `The round has ended: it is ${round.state}.` : null}
          command={`aviary fed abandon ${id} --yes`}
          onConfirm={abandon}
        >
          The round ends without a result. What devices have sent is dropped; what they keep stays with them.
        </ConfirmButton>
      </PageHeader>
      <Stack gap="md">
        <Panel title="Phases" note={round.reason ?? undefined} actions={<StateBadge state={round.state} />}>
          <PhaseLine round={round} />
        </Panel>
        <Grid gap="md">
          <Grid.Col span={{ base: 12, lg: 6 }}>
            <Stack gap="md">
              <CandidatePanel round={round} />
              <EvaluationPanel evaluation={round.evaluation} />
            </Stack>
          </Grid.Col>
          <Grid.Col span={{ base: 12, lg: 6 }}>
            <AggregatePanel round={round} />
          </Grid.Col>
        </Grid>
        <ParticipantsPanel participants={round.participants} />
        <HistoryPanel history={round.history} />
        <Panel title="What was asked for">
          <Equivalent label="With defaults filled in" command={stringify(round.spec).trimEnd()} />
        </Panel>
        <Panel title="In a terminal">
          <Equivalent command={`aviary fed status ${id} --watch`} label="Watch it" />
        </Panel>
      </Stack>
    </>
  );
};

/** One federated round, live, to its candidate. */
export const RoundPage = () => {
  const { roundId } = useParams({ from: '/app/federation/$roundId' });
  const query = useQuery(queries.round(roundId));
  return (
    <Loaded query={query} what="this round" rows={8}>
      {(round) => <RoundView round={round} />}
    </Loaded>
  );
};
