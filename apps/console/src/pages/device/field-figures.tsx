import { Box } from '@mantine/core';
import { Figure, Figures } from '../../components/figure.tsx';
import { countWords, shareWords } from '../../components/number-words.ts';

interface Counts {
  readonly release: string;
  readonly frames: number;
  readonly dropped: number;
  readonly errors: number;
  readonly lowConfidence: number;
  readonly labelled: number;
  readonly correct: number;
}

/** What a release has done on a device since it began to run there. */
export const FieldFigures = ({ figures }: { figures: Counts | undefined }) => {
  if (figures === undefined) return null;
  const { release, frames, dropped, errors, lowConfidence, labelled, correct } = figures;
  return (
    <Box mt="md" pt="sm" style={{ borderTop: '1px solid var(--av-line)' }}>
      <Figures>
        <Figure name="pictures" value={countWords(frames)} note={`since ${release} began`} />
        <Figure name="not sure" value={shareWords(lowConfidence, frames)} note="low confidence" />
        <Figure
          name="right"
          value={shareWords(correct, labelled)}
          note={labelled === 0 ? 'no labels have come' : `of ${countWords(labelled)} labelled`}
        />
        <Figure name="failed" value={countWords(errors)} tone={errors > 0 ? 'error' : undefined} />
        <Figure name="left out" value={countWords(dropped)} tone={dropped > 0 ? 'warning' : undefined} />
      </Figures>
    </Box>
  );
};
