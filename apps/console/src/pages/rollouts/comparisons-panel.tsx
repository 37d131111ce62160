import { comparisonInWords } from '@aviary/rollout';
import { Grid, Group, Stack, Text } from '@mantine/core';
import type { RolloutDetail } from '../../api/generated/index.ts';
import { Panel } from '../../components/panel.tsx';
import { SeriesChart } from '../../components/series-chart.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { type ComparisonSeries, comparisonSeries, DECIDED } from './comparison-series.ts';

const HEIGHT = 150;

const ComparisonView = ({ series }: { series: ComparisonSeries }) => {
  const { wave, gate, newest, times } = series;
  return (
    <Stack gap="xs">
      <Group gap="sm" align="baseline">
        <Text size="sm" fw={600}>
          Wave {wave + 1}, {gate}
        </Text>
        <StateBadge state={newest.verdict} />
        <Text size="sm">{comparisonInWords(newest)}</Text>
      </Group>
      <Grid gap="md">
        <Grid.Col span={{ base: 12, md: 6 }}>
          <SeriesChart
            label={`Effect of wave ${wave + 1} on ${gate}`}
            unit="%"
            height={HEIGHT}
            times={times}
            series={[
              { label: 'estimate', color: '--av-active', values: series.estimate },
              { label: 'at least', color: '--av-waiting', values: series.lower },
              { label: 'at most', color: '--av-waiting', values: series.upper },
              { label: 'margin', color: '--av-error', values: series.margin },
            ]}
          />
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 6 }}>
          <SeriesChart
            label={`Evidence of wave ${wave + 1} on ${gate}, of what decides`}
            unit="%"
            height={HEIGHT}
            times={times}
            series={[
              { label: 'evidence of worse', color: '--av-error', values: series.worse },
              { label: 'evidence of not worse', color: '--av-ok', values: series.notWorse },
              { label: 'decides', color: '--av-waiting', values: times.map(() => DECIDED) },
            ]}
          />
        </Grid.Col>
      </Grid>
    </Stack>
  );
};

/** What comparing with the control group has found, as it grew; nothing where nothing is compared yet. */
export const ComparisonsPanel = ({ rollout }: { rollout: RolloutDetail }) => {
  const all = comparisonSeries(rollout.evaluations);
  if (all.length === 0) return null;
  return (
    <Panel title="Compared with the control group" note="at 100 % of the evidence it is decided">
      <Stack gap="lg">
        {all.map((series) => (
          <ComparisonView key={series.key} series={series} />
        ))}
      </Stack>
    </Panel>
  );
};
