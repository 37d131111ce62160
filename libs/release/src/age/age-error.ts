export type AgeErrorCode =
  | 'age-key-invalid'
  | 'age-header-malformed'
  | 'age-not-for-us'
  | 'age-header-tampered'
  | 'age-payload-truncated'
  | 'age-payload-trailing'
  | 'age-payload-tampered';

/** An age file, or one of its keys, that cannot be used; `code` says why. */
export class AgeError extends Error {
  readonly code: AgeErrorCode;
  constructor(code: AgeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AgeError';
    this.code = code;
  }
}
