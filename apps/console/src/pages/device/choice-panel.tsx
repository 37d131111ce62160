import { List, Stack, Text } from '@mantine/core';
import type { DeviceDetail } from '../../api/generated/index.ts';
import { Digest } from '../../components/digest.tsx';
import { KeyValue } from '../../components/key-value.tsx';
import { Panel } from '../../components/panel.tsx';
import { ReleaseCell } from '../devices/release-cell.tsx';

/** What a device runs, and why this variant of it. */
export const ChoicePanel = ({ device }: { device: DeviceDetail }) => {
  const { running, assigned, choice } = device;
  const provider = device.field.find(({ release }) => release === running?.release)?.effectiveProvider;
  return (
    <Panel title="What it runs, and why">
      <Stack gap="sm">
        <KeyValue
          items={[
            ['Runs', <ReleaseCell key="runs" running={running?.release ?? null} assigned={assigned} />],
            ['Digest', running === null ? undefined : <Digest key="digest" value={running.digest} length={16} />],
            ['Computes on', provider ?? undefined],
            [
              'Variant',
              choice === null ? undefined : (
                <code key="variant" className="mono">
                  {choice.variant ?? 'none fits'}
                </code>
              ),
            ],
          ]}
        />
        {choice === null ? (
          <Text size="sm" c="dimmed">
            No release was assigned to it yet. A rollout whose target names it does that.
          </Text>
        ) : (
          <List size="sm" spacing={4} aria-label={`Why this variant of ${choice.release}`}>
            {choice.words.map((words) => (
              <List.Item key={words}>{words}</List.Item>
            ))}
          </List>
        )}
      </Stack>
    </Panel>
  );
};
