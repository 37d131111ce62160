import type { RolloutDetail } from '@aviary/protocol';
import { comparisonInWords } from '@aviary/rollout';

/** One thing that happened in a rollout. */
export interface StoryEntry {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Who asked for it; null: it followed from how the rollout went. */
  readonly by: string | null;
  readonly what: string;
  /** Where it is what a gate said: that in numbers. */
  readonly judgement?: RolloutDetail['evaluations'][number];
}

const judgementWords = (judgement: RolloutDetail['evaluations'][number]): string => {
  const numbers = comparisonInWords(judgement);
  const words = `wave ${judgement.wave + 1}, gate ${judgement.gate}: ${judgement.words}`;
  return numbers === undefined ? words : `${words} (${numbers})`;
};

/** What happened in a rollout, oldest first: what people did, how its waves went, and what the gates said. */
export const rolloutStory = ({
  history,
  evaluations,
}: Pick<RolloutDetail, 'history' | 'evaluations'>): StoryEntry[] => {
  const told: StoryEntry[] = history.map(({ at, by, message }) => ({ at, by, what: message }));
  const judged = evaluations.map((judgement) => ({
    at: judgement.at,
    by: null,
    what: judgementWords(judgement),
    judgement,
  }));
  // A judgement and what follows from it have one time; the sort keeps what is first here.
  return [...judged, ...told].sort((a, b) => a.at - b.at);
};
