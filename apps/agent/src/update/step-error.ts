/** Why an update ended; the words go to the control plane as they are. */
export class StepError extends Error {
  constructor(
    readonly state: 'FAILED' | 'REJECTED' | 'ROLLED_BACK',
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
