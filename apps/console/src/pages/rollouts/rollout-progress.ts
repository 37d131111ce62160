import type { RolloutSummary } from '../../api/generated/index.ts';
import { portionsOf } from '../../components/wave-portions.ts';

export interface RolloutProgress {
  /** Devices that have the release. */
  readonly done: number;
  readonly failed: number;
  readonly total: number;
}

/** How far a rollout has come, over all its waves. */
export const progressOf = (rollout: Pick<RolloutSummary, 'waves'>): RolloutProgress => {
  const portions = rollout.waves.map(portionsOf);
  return {
    done: portions.reduce((sum, { good }) => sum + good, 0),
    failed: portions.reduce((sum, { bad }) => sum + bad, 0),
    total: rollout.waves.at(-1)?.cumulative ?? 0,
  };
};
