export type ReleaseBuildErrorCode =
  | 'files-missing'
  | 'labels-invalid'
  | 'samples-invalid'
  | 'model-invalid'
  | 'golden-failed'
  | 'training-failed'
  | 'lineage-invalid'
  | 'provenance-invalid'
  | 'provenance-unstated'
  | 'output-exists';

/** A folder of which no release can be made; `code` says why. Nothing was left behind. */
export class ReleaseBuildError extends Error {
  readonly code: ReleaseBuildErrorCode;
  constructor(code: ReleaseBuildErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ReleaseBuildError';
    this.code = code;
  }
}
