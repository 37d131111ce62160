import { List, Text } from '@mantine/core';
import type { RolloutDetail } from '../../api/generated/index.ts';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { deviceCount } from '../../components/wave-portions.ts';

/** Devices that are not told yet, and what they wait for; nothing where nobody waits. */
export const WaitingPanel = ({ rollout: { waits, rate } }: { rollout: RolloutDetail }) =>
  waits.length === 0 ? null : (
    <Panel
      title="Waiting"
      {...(rate === null ? {} : { note: `${Number(rate.perMinute.toPrecision(3))} devices a minute may be told` })}
    >
      <List size="sm" spacing={4}>
        {waits.map(({ reason, devices, until }) => (
          <List.Item key={reason}>
            <Text span size="sm" fw={600}>
              {deviceCount(devices)}:
            </Text>{' '}
            {reason}
            {until !== null && (
              <>
                {' '}
                (<RelativeTime at={until} />)
              </>
            )}
          </List.Item>
        ))}
      </List>
    </Panel>
  );
