import type { GateResult } from './gates/wave-facts.ts';
import type { RolloutState, WaveState } from './states.ts';

/** Executions that a decision is about. */
export type Scope = { readonly wave: number } | 'all';

/** What to do, as data; whoever applies a list of them does so in order and in one transaction. */
export type Decision =
  /** Take a wave's devices; with the last one everybody else who fits and has no part in the rollout yet. */
  | { readonly kind: 'start-wave'; readonly wave: number }
  /** Take everybody who fits and has no part in the rollout yet. */
  | { readonly kind: 'join-wave'; readonly wave: number }
  | {
      readonly kind: 'set-wave';
      readonly wave: number;
      readonly state: WaveState;
      readonly soakUntil: number | null;
      readonly reason: string;
    }
  | { readonly kind: 'record-gates'; readonly wave: number; readonly results: readonly GateResult[] }
  /** End executions that install and have not ended; `unstarted` only those of which the device has said nothing yet. */
  | { readonly kind: 'cancel'; readonly scope: Scope; readonly which: 'open' | 'unstarted'; readonly reason: string }
  /** Bring back every device that this rollout has brought to the release and that has something to go back to. */
  | { readonly kind: 'roll-back'; readonly scope: Scope }
  | { readonly kind: 'set-rollout'; readonly state: RolloutState; readonly reason: string };

/** A wave comes into a state. */
export const setWave = (wave: number, state: WaveState, reason: string, soakUntil: number | null = null): Decision => ({
  kind: 'set-wave',
  wave,
  state,
  soakUntil,
  reason,
});

/** A rollout comes into a state. */
export const setRollout = (state: RolloutState, reason: string): Decision => ({ kind: 'set-rollout', state, reason });

/** Ends what is open and brings back what has succeeded. */
export const rollBack = (scope: Scope, reason: string): Decision[] => [
  { kind: 'cancel', scope, which: 'open', reason },
  { kind: 'roll-back', scope },
  setRollout('ROLLING_BACK', reason),
];

/** A wave as people count them. */
export const waveName = (wave: number): string => `wave ${wave + 1}`;
