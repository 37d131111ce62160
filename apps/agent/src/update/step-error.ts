/** Why an update ended; the words go to the control plane as they are. */
export class StepError extends Error {
  readonly state: 'FAILED' | 'REJECTED' | 'ROLLED_BACK';
  readonly code: string;

  constructor(state: StepError['state'], code: string, message: string) {
    super(message);
    this.state = state;
    this.code = code;
  }
}
