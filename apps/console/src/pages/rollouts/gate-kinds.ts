interface GateField {
  /** As in the specification. */
  readonly key: string;
  readonly label: string;
  readonly placeholder: string;
  readonly initial: string;
}

interface GateWords {
  /** As in the specification, where it is not the kind's own name. */
  readonly gate?: string;
  /** What such a gate always says beside its fields. */
  readonly always?: Readonly<Record<string, string>>;
  readonly title: string;
  readonly help: string;
  readonly fields: readonly GateField[];
}

const executions: GateField = { key: 'minimum', label: 'judge from … executions', placeholder: '5', initial: '5' };

/** The gates that a rollout can have, as `docs/rollouts.md` has them, with what a form asks for each. */
export const GATE_KINDS = {
  execution: {
    title: 'Failed devices',
    help: 'Of those that were told: failed, rejected, timed out, rolled back, or running something else later.',
    fields: [{ key: 'maxFailureRate', label: 'at most', placeholder: '5%', initial: '5%' }, executions],
  },
  success: {
    title: 'Succeeded devices',
    help: 'Of those that were told; who is still at it may yet succeed.',
    fields: [{ key: 'minSuccessRate', label: 'at least', placeholder: '95%', initial: '95%' }, executions],
  },
  lowConfidenceRate: {
    title: 'Unsure answers',
    help: 'Of all answers of the wave’s devices since they serve the release.',
    fields: [
      { key: 'max', label: 'at most', placeholder: '15%', initial: '15%' },
      { key: 'minimumFrames', label: 'judge from … frames', placeholder: '100', initial: '100' },
      { key: 'minimumDevices', label: 'on … devices', placeholder: '1', initial: '1' },
    ],
  },
  latencyP95: {
    title: 'Latency (p95)',
    help: 'Fails when the newest p95 of any device is above it.',
    fields: [
      { key: 'maxMs', label: 'at most … ms', placeholder: '80', initial: '80' },
      { key: 'minimumDevices', label: 'judge from … devices', placeholder: '1', initial: '1' },
    ],
  },
  comparedLatency: {
    gate: 'latencyP95',
    always: { versus: 'control' },
    title: 'Latency against the control group',
    help: 'Fails when p95 has grown by more than this, beyond what happened to the devices that are held back.',
    fields: [{ key: 'margin', label: 'grown by at most', placeholder: '15%', initial: '15%' }],
  },
  comparedUnsureness: {
    gate: 'lowConfidenceRate',
    always: { versus: 'control' },
    title: 'Unsure answers against the control group',
    help: 'In shares of all answers, beyond what happened to the devices that are held back.',
    fields: [{ key: 'margin', label: 'grown by at most', placeholder: '3%', initial: '3%' }],
  },
  acceleratorFallback: {
    title: 'Lost accelerators',
    help: 'Devices that asked for an accelerator and run on something else.',
    fields: [{ key: 'max', label: 'at most … devices', placeholder: '0', initial: '0' }],
  },
} as const satisfies Readonly<Record<string, GateWords>>;

export type GateKind = keyof typeof GATE_KINDS;
export const GATE_NAMES = Object.keys(GATE_KINDS) as GateKind[];

export const gateWords = (kind: GateKind): GateWords => GATE_KINDS[kind];

/** The gate's name in the specification. */
export const gateName = (kind: GateKind): string => gateWords(kind).gate ?? kind;
