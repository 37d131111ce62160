import { Progress, Stack, Text } from '@mantine/core';
import type { DeviceDetail } from '../../api/generated/index.ts';
import { Digest } from '../../components/digest.tsx';
import { KeyValue } from '../../components/key-value.tsx';
import { countWords } from '../../components/number-words.ts';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';

/** What a device keeps to learn from: only these counts leave it. */
export const LearningPanel = ({ device }: { device: DeviceDetail }) => {
  const { learning } = device;
  if (learning === null) {
    return (
      <Panel title="Learning">
        <Text size="sm" c="dimmed">
          It takes no part in federated learning. An agent that runs with <code className="mono">--learn</code>, and a
          release that can be trained, do.
        </Text>
      </Panel>
    );
  }
  const most = Math.max(1, ...Object.values(learning.perLabel));
  return (
    <Panel title="Learning" note={`${countWords(learning.samples)} labelled samples`}>
      <Stack gap="sm">
        <KeyValue
          items={[
            [
              'For',
              <code key="for" className="mono">
                {learning.release}
              </code>,
            ],
            ['Backbone', <Digest key="backbone" value={learning.backbone} />],
            ['As of', <RelativeTime key="as-of" at={learning.at} />],
          ]}
        />
        <KeyValue
          items={Object.entries(learning.perLabel).map(([label, samples]) => [
            label,
            <span key={label} style={{ display: 'flex', alignItems: 'center', gap: 8 }}>
              <Progress value={(samples / most) * 100} flex={1} size="sm" aria-label={`Samples of ${label}`} />
              <span style={{ minWidth: 36, textAlign: 'end' }}>{countWords(samples)}</span>
            </span>,
          ])}
        />
        <Text size="xs" c="dimmed">
          The samples stay on the device, encrypted. Only these counts leave it.
        </Text>
      </Stack>
    </Panel>
  );
};
