import { CommandRefusedError, command, tryAgain } from '@aviary/rollout';
import type { RolloutAction, RolloutSummary } from '../../api/generated/index.ts';

interface ActionWords {
  readonly label: string;
  /** What it does, for a tooltip or the question before it. */
  readonly meaning: string;
  /** Ends the rollout or takes it back: asks first. */
  readonly asks: boolean;
}

export const ROLLOUT_ACTIONS: Readonly<Record<RolloutAction, ActionWords>> = {
  approve: { label: 'Approve', meaning: 'The rollout begins. Whoever created it cannot approve it.', asks: false },
  deny: { label: 'Deny', meaning: 'The rollout never begins.', asks: true },
  pause: { label: 'Pause', meaning: 'No further device is told; those under way go on.', asks: false },
  resume: { label: 'Resume', meaning: 'The rollout goes on where it was paused.', asks: false },
  promote: {
    label: 'Promote',
    meaning: 'The wave that soaks or has failed counts as passed, whatever its gates say.',
    asks: false,
  },
  abort: {
    label: 'Abort',
    meaning:
      'This ends the rollout. Devices that have the release keep it; those under way get 30 seconds, then they are canceled and go back.',
    asks: true,
  },
  undo: {
    label: 'Undo',
    meaning: 'Every device that this rollout brought to the release goes back to what it had before.',
    asks: true,
  },
};

/** As they stand beside each other. */
export const actionsOf = ({ state }: Pick<RolloutSummary, 'state'>): readonly RolloutAction[] =>
  state === 'WAITING_FOR_APPROVAL' ? ['approve', 'deny', 'abort'] : ['pause', 'resume', 'promote', 'abort', 'undo'];

const refusal = (ask: () => unknown): string | null => {
  try {
    ask();
    return null;
  } catch (error) {
    if (error instanceof CommandRefusedError) return error.message;
    throw error;
  }
};

type Subject = Pick<RolloutSummary, 'state' | 'waves'>;

/** Why a rollout does not take a command now, in the words that the control plane would answer; null when it does. */
export const refusalOf = (rollout: Subject, action: RolloutAction): string | null =>
  refusal(() => command(rollout, action, 'you'));

/** Why nobody gets a new try now; null when somebody may. */
export const retryRefusalOf = (rollout: Subject): string | null => refusal(() => tryAgain(rollout, [], 'you'));

/** What a person would type for it. */
export const actionEquivalent = (id: string, action: RolloutAction | 'retry'): string =>
  `aviary rollout ${action} ${id.slice(0, 8)}`;
