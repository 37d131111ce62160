import { Progress, Stack, Text } from '@mantine/core';
import type { RoundEvaluation } from '../../api/generated/index.ts';
import { Panel } from '../../components/panel.tsx';
import { deviceCount } from '../../components/wave-portions.ts';

const Accuracy = ({
  label,
  correct,
  samples,
  loss,
}: {
  label: string;
  correct: number;
  samples: number;
  loss: number;
}) => {
  const percent = samples === 0 ? 0 : (correct / samples) * 100;
  return (
    <div>
      <Text size="sm">
        {label}: <b>{percent.toFixed(1)} %</b>{' '}
        <Text span size="sm" c="dimmed">
          ({correct.toLocaleString('en')} right, loss {loss.toFixed(3)})
        </Text>
      </Text>
      <Progress value={percent} size="lg" aria-label={`accuracy of ${label}`} mt={4} />
    </div>
  );
};

/** How the candidate does against the base, on devices that did not train. */
export const EvaluationPanel = ({ evaluation }: { evaluation: RoundEvaluation | null }) => (
  <Panel title="Evaluation" note="on devices that did not train">
    {evaluation === null ? (
      <Text size="sm" c="dimmed">
        Not yet: it begins when the updates have become one.
      </Text>
    ) : (
      <Stack gap="sm">
        <Text size="sm">{evaluation.words}</Text>
        <Accuracy label="base" samples={evaluation.samples} {...evaluation.base} />
        <Accuracy label="candidate" samples={evaluation.samples} {...evaluation.candidate} />
        <Text size="xs" c="dimmed">
          {evaluation.samples.toLocaleString('en')} labelled samples on {deviceCount(evaluation.devices)}
        </Text>
      </Stack>
    )}
  </Panel>
);
