import { Text } from '@mantine/core';
import type { ReleaseDetail } from '../../api/generated/index.ts';
import { KeyValue } from '../../components/key-value.tsx';
import { Panel } from '../../components/panel.tsx';

const shareWords = (part: number, whole: number): string => `${((part / whole) * 100).toFixed(1)} %`;

/** How a release does on all devices that ran it. */
export const FieldPanel = ({ field }: { field: ReleaseDetail['field'] }) => {
  const amount = (count: number) => count.toLocaleString('en');
  return (
    <Panel title="In the field" note="all devices together">
      {field.devices === 0 ? (
        <Text size="sm" c="dimmed">
          No device has reported of it yet. Roll it out, and its figures come here.
        </Text>
      ) : (
        <KeyValue
          items={[
            ['Devices', amount(field.devices)],
            ['Frames', amount(field.frames)],
            [
              'Unsure answers',
              field.frames === 0
                ? undefined
                : `${shareWords(field.lowConfidence, field.frames)} (${amount(field.lowConfidence)})`,
            ],
            [
              'Accuracy',
              field.labelled === 0
                ? 'not known: no frame was labelled'
                : `${shareWords(field.correct, field.labelled)} of ${amount(field.labelled)} labelled frames`,
            ],
          ]}
        />
      )}
    </Panel>
  );
};
