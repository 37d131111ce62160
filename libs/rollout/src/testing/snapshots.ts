import type { RolloutSnapshot, WaveSnapshot } from '../decide.ts';
import type { Decision } from '../decision.ts';
import type { WaveFacts } from '../gates/wave-facts.ts';
import { parseRolloutSpec } from '../spec/rollout-spec.ts';

// Rollouts at one moment, for tests: two waves of four devices.

export const NOW = Date.UTC(2026, 0, 1);

export const spec = (asked: Record<string, unknown> = {}) =>
  parseRolloutSpec({
    release: 'meter-reader@1.4.0',
    strategy: {
      waves: [
        { size: 4, soak: 60 },
        { size: '100%', soak: 120 },
      ],
    },
    gates: [{ execution: { maxFailureRate: '25%', minimum: 2 } }],
    ...asked,
  });

const NOTHING_COMPARED: WaveFacts['differences'] = { latencyP95: [], lowConfidenceRate: [] };
export const counts = (of: WaveFacts['counts'], diverged = 0): WaveFacts => ({
  counts: of,
  diverged,
  devices: [],
  differences: NOTHING_COMPARED,
});
export const wave = (index: number, given: Partial<WaveSnapshot>): WaveSnapshot => ({
  index,
  state: 'SCHEDULED',
  planned: 4,
  strata: { rpi5: 4 },
  startedAt: null,
  soakUntil: null,
  facts: null,
  ...given,
});
export const snapshot = (given: Partial<RolloutSnapshot> = {}): RolloutSnapshot => ({
  state: 'RUNNING',
  stateSince: NOW,
  spec: spec(),
  control: {},
  waves: [wave(0, {}), wave(1, {})],
  open: { install: 0, rollback: 0 },
  looksForNewcomers: false,
  overtakenBy: null,
  ...given,
});
/** The rollout with its first wave as given. */
export const first = (given: Partial<WaveSnapshot>, of: Partial<RolloutSnapshot> = {}): RolloutSnapshot =>
  snapshot({ waves: [wave(0, given), wave(1, {})], ...of });

const word = (decision: Decision): string => {
  switch (decision.kind) {
    case 'start-wave':
      return `start ${decision.wave}`;
    case 'set-wave':
      return `wave ${decision.wave} ${decision.state}`;
    case 'join-wave':
      return `join ${decision.wave}`;
    case 'cancel':
      return `cancel ${decision.which} of ${JSON.stringify(decision.scope)}`;
    case 'roll-back':
      return `roll back ${JSON.stringify(decision.scope)}`;
    case 'set-rollout':
      return decision.state;
    case 'record-gates':
      return 'gates';
  }
};
export const brief = (decisions: readonly Decision[]): string[] =>
  decisions.map(word).filter((text) => text !== 'gates');
