import { Grid, Group, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import type { DeviceDetail } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { Loaded } from '../../components/loaded.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { LastSeen } from '../devices/last-seen.tsx';
import { BoardPanel } from './board-panel.tsx';
import { ChoicePanel } from './choice-panel.tsx';
import { EventsPanel } from './events-panel.tsx';
import { ExecutionsPanel } from './executions-panel.tsx';
import { LabelsPanel } from './labels-panel.tsx';
import { LearningPanel } from './learning-panel.tsx';
import { LiveCharts } from './live-charts.tsx';
import { OperatorsPanel } from './operators-panel.tsx';
import { RevokeButton, RevokedNotice } from './revocation.tsx';

const route = getRouteApi('/app/devices/$deviceId');
const parent = { to: '/devices', label: 'Devices' };

export const DevicePage = () => {
  const { deviceId } = route.useParams();
  const device = useQuery(queries.device(deviceId));
  return (
    <>
      {device.data === undefined && <PageHeader title={deviceId} parent={parent} mono />}
      <Loaded query={device} what={`the device ${deviceId}`} rows={12}>
        {(known) => <Device key={known.id} device={known} />}
      </Loaded>
    </>
  );
};

const Device = ({ device }: { device: DeviceDetail }) => (
  <>
    <PageHeader
      title={device.name}
      parent={parent}
      subtitle={
        <Group gap="md">
          <code className="mono">{device.id}</code>
          <StateBadge state={device.revokedAt === null ? device.presence : 'revoked'} />
          <span>
            last seen <LastSeen device={device} />
          </span>
        </Group>
      }
    >
      {device.revokedAt === null && <RevokeButton device={device} />}
    </PageHeader>
    <RevokedNotice device={device} />
    <Grid gap="md">
      <Grid.Col span={{ base: 12, lg: 8 }}>
        <Stack>
          <LiveCharts device={device} />
          <ExecutionsPanel deviceId={device.id} />
          <EventsPanel events={device.events} />
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, lg: 4 }}>
        <Stack>
          <ChoicePanel device={device} />
          <LabelsPanel device={device} />
          <LearningPanel device={device} />
          <OperatorsPanel deviceId={device.id} />
          <BoardPanel device={device} />
        </Stack>
      </Grid.Col>
    </Grid>
  </>
);
