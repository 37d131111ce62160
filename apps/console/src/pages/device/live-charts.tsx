import { SimpleGrid, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useCallback, useMemo, useRef, useState } from 'react';
import type { DeviceDetail } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { Loaded } from '../../components/loaded.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { SeriesChart } from '../../components/series-chart.tsx';
import { useDeviceFigures } from '../../live/live.tsx';
import type { DeviceFigures } from '../../live/live-stream.ts';
import { BoardFigures } from './board-figures.tsx';
import { type DevicePoint, lastHour, pointOfFigures, pointsOfMinutes } from './device-series.ts';
import { FieldFigures } from './field-figures.tsx';

/** How fast a device works: the last hour by minutes, and from now on as it reports. */
export const LiveCharts = ({ device }: { device: DeviceDetail }) => {
  const history = useQuery(queries.deviceMetrics(device.id));
  const [points, setPoints] = useState<readonly DevicePoint[]>([]);
  const [figures, setFigures] = useState<DeviceFigures>();
  const before = useRef<DeviceFigures>(undefined);
  useDeviceFigures(
    device.id,
    useCallback((now: DeviceFigures) => {
      if (before.current?.at === now.at) return;
      const point = pointOfFigures(before.current, now);
      before.current = now;
      setFigures(now);
      setPoints((known) => lastHour([...known, point], Date.now()));
    }, []),
  );
  const field = device.field.find(({ release }) => release === device.running?.release);

  return (
    <Panel
      title="At work"
      note={
        figures === undefined ? (
          device.presence === 'online' ? (
            'waiting for its next report'
          ) : (
            'it is offline; this is what it last said'
          )
        ) : (
          <>
            newest report <RelativeTime at={figures.at} />
          </>
        )
      }
    >
      <Loaded query={history} what="its last hour" rows={6}>
        {({ items }) => <Charts minutes={pointsOfMinutes(items, Date.now())} live={points} />}
      </Loaded>
      <FieldFigures figures={figures ?? field} />
      <BoardFigures board={figures?.board ?? device.board?.state} />
    </Panel>
  );
};

const Charts = ({ minutes, live }: { minutes: readonly DevicePoint[]; live: readonly DevicePoint[] }) => {
  const { times, frames, mean, p95 } = useMemo(() => {
    const points = lastHour([...minutes, ...live], Date.now());
    return {
      times: points.map(({ at }) => at),
      frames: points.map(({ framesPerSecond }) => framesPerSecond),
      mean: points.map(({ meanMs }) => meanMs),
      p95: points.map(({ p95Ms }) => p95Ms),
    };
  }, [minutes, live]);
  if (times.length === 0) {
    return (
      <Text size="sm" c="dimmed" py="xl" ta="center">
        Nothing in the last hour. A device reports every ten seconds while it looks at pictures.
      </Text>
    );
  }
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      <SeriesChart
        label="Latency of a picture over the last hour"
        unit="ms"
        times={times}
        series={[
          { label: 'mean by minute', color: '--av-waiting', values: mean },
          { label: 'p95, live', color: '--av-active', values: p95 },
        ]}
      />
      <SeriesChart
        label="Pictures per second over the last hour"
        unit="/s"
        times={times}
        series={[{ label: 'pictures per second', color: '--av-active', values: frames }]}
      />
    </SimpleGrid>
  );
};
