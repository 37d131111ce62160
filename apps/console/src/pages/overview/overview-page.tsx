import { Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { Overview } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { Loaded } from '../../components/loaded.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { AttentionPanel } from './attention-panel.tsx';
import { FirstSteps } from './first-steps.tsx';
import { FleetPanel } from './fleet-panel.tsx';
import { RolloutsPanel } from './rollouts-panel.tsx';

/** How the fleet is, and first of all what needs somebody now. */
export const OverviewPage = () => {
  const overview = useQuery(queries.overview());
  return (
    <>
      <PageHeader title="Overview" />
      <Loaded query={overview} what="how the fleet is" rows={10}>
        {(known) => <Parts overview={known} />}
      </Loaded>
    </>
  );
};

const Parts = ({ overview }: { overview: Overview }) => {
  const { devices, releases, rollouts } = overview;
  const { data: keys } = useQuery(queries.joiningKeys());
  const asking = keys?.items.filter(({ state }) => state === 'PENDING') ?? [];
  const started = devices.total > 0 && releases > 0;
  return (
    <Stack>
      {started ? <AttentionPanel attention={overview.attention} asking={asking} /> : <FirstSteps overview={overview} />}
      <FleetPanel overview={overview} />
      {(started || rollouts.length > 0) && <RolloutsPanel rollouts={rollouts} />}
    </Stack>
  );
};
