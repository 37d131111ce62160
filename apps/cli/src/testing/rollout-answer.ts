import type { RolloutDetail, WaveView } from '@aviary/protocol';

// What the API answers, for tests: whole, so that a new field is missing in one place only.

export const waveView = (changes: Partial<WaveView> = {}): WaveView => ({
  index: 0,
  state: 'RUNNING',
  size: 4,
  cumulative: 4,
  counts: {},
  startedAt: null,
  soakUntil: null,
  endedAt: null,
  gates: [],
  ...changes,
});

export const rolloutDetail = (changes: Partial<RolloutDetail> = {}): RolloutDetail => ({
  id: '6f1c2a34-0000-4000-8000-000000000001',
  release: 'meter-reader@1.1.0',
  target: 'all',
  state: 'RUNNING',
  reason: null,
  createdBy: 'ana',
  control: 0,
  priority: 500,
  createdAt: 0,
  startedAt: null,
  endedAt: null,
  waves: [],
  spec: {},
  rollback: null,
  history: [],
  rate: null,
  waits: [],
  troubles: [],
  evaluations: [],
  ...changes,
});
