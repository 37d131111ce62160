export type FeedbackErrorCode =
  | 'learning-off'
  | 'nothing-serves'
  | 'release-not-trainable'
  | 'label-unknown'
  | 'frame-unknown'
  | 'sample-not-kept';

/** A label that is not kept, and why. */
export class FeedbackError extends Error {
  readonly code: FeedbackErrorCode;
  constructor(code: FeedbackErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
