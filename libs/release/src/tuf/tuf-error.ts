export type TufErrorCode =
  | 'metadata-malformed'
  | 'metadata-refused'
  | 'metadata-expired'
  | 'metadata-incomplete'
  | 'root-invalid'
  | 'target-invalid';

/** Metadata of the image repository that must not be believed, or made so; `code` says why. */
export class TufError extends Error {
  readonly code: TufErrorCode;
  constructor(code: TufErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TufError';
    this.code = code;
  }
}
