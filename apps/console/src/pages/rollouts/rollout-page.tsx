import { Grid, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { stringify } from 'yaml';
import type { RolloutDetail } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { Equivalent } from '../../components/equivalent.tsx';
import { HistoryPanel } from '../../components/history-panel.tsx';
import { Loaded } from '../../components/loaded.tsx';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { WavePicture } from '../../components/wave-picture.tsx';
import { countWords, deviceCount } from '../../components/wave-portions.ts';
import { ComparisonsPanel } from './comparisons-panel.tsx';
import { ExecutionsTable } from './executions-table.tsx';
import { FailingDevices } from './failing-devices.tsx';
import { actionEquivalent, actionsOf, ROLLOUT_ACTIONS } from './rollout-commands.ts';
import { progressOf } from './rollout-progress.ts';
import { RolloutToolbar } from './rollout-toolbar.tsx';
import { specAsWritten } from './spec-as-written.ts';
import { WaitingPanel } from './waiting-panel.tsx';

const Subtitle = ({ rollout }: { rollout: RolloutDetail }) => (
  <>
    <NavAnchor to="/models/$release" params={{ release: rollout.release }} underline="always">
      {rollout.release}
    </NavAnchor>{' '}
    to <span className="mono">{rollout.target}</span>, created <RelativeTime at={rollout.createdAt} />
    {rollout.endedAt !== null && (
      <>
        , ended <RelativeTime at={rollout.endedAt} />
      </>
    )}
  </>
);

const terminalLines = (rollout: RolloutDetail): string =>
  [
    `aviary rollout status ${rollout.id.slice(0, 8)} --watch`,
    `aviary rollout history ${rollout.id.slice(0, 8)}`,
    ...actionsOf(rollout).map(
      (action) => `${actionEquivalent(rollout.id, action)}${ROLLOUT_ACTIONS[action].asks ? ' --yes' : ''}`,
    ),
  ].join('\n');

const RolloutView = ({ rollout }: { rollout: RolloutDetail }) => (
  <>
    <PageHeader
      title={`Rollout ${rollout.id.slice(0, 8)}`}
      mono
      parent={{ to: '/rollouts', label: 'Rollouts' }}
      subtitle={<Subtitle rollout={rollout} />}
    />
    <Stack gap="md">
      <RolloutToolbar rollout={rollout} />
      <Panel title="Waves" {...(rollout.reason === null ? {} : { note: rollout.reason })}>
        <WavePicture waves={rollout.waves} />
        {rollout.control > 0 && (
          <Text size="sm" mt="sm">
            {deviceCount(rollout.control)} are the control group: held back until the last wave, to compare with.
          </Text>
        )}
      </Panel>
      <WaitingPanel rollout={rollout} />
      <ComparisonsPanel rollout={rollout} />
      {rollout.rollback !== null && (
        <Panel title="Going back">
          <Text size="sm">
            Devices return to what they had before: {countWords(rollout.rollback.counts) || 'none has begun yet'}.
          </Text>
        </Panel>
      )}
      {progressOf(rollout).failed > 0 && <FailingDevices rollout={rollout} />}
      <ExecutionsTable rolloutId={rollout.id} />
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 7 }}>
          <HistoryPanel history={rollout.history} />
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 5 }}>
          <Stack gap="md">
            <Panel title="What was asked for">
              <Equivalent
                label="As rollout.yaml, with defaults filled in"
                command={stringify(specAsWritten(rollout.spec)).trimEnd()}
              />
            </Panel>
            <Panel title="In a terminal">
              <Equivalent label="Watch it, and steer it" command={terminalLines(rollout)} />
            </Panel>
          </Stack>
        </Grid.Col>
      </Grid>
    </Stack>
  </>
);

/** One rollout, live: its waves as a picture, what fails and why, and what can be done. */
export const RolloutPage = () => {
  const { rolloutId } = useParams({ from: '/app/rollouts/$rolloutId' });
  const query = useQuery(queries.rollout(rolloutId));
  return (
    <Loaded query={query} what="this rollout" rows={8}>
      {(rollout) => <RolloutView rollout={rollout} />}
    </Loaded>
  );
};
