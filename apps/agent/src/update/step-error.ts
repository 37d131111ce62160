import type { ShadowReport } from '@aviary/protocol';

/** Why an update ended; the words go to the control plane as they are. */
export class StepError extends Error {
  readonly state: 'FAILED' | 'REJECTED' | 'ROLLED_BACK';
  readonly code: string;
  /** Of one that failed by what it did in shadow. */
  readonly shadow: ShadowReport | undefined;

  constructor(state: StepError['state'], code: string, message: string, shadow?: ShadowReport) {
    super(message);
    this.state = state;
    this.code = code;
    this.shadow = shadow;
  }
}
