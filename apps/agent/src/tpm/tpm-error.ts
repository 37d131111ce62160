/** The TPM, or the programs that speak to it, cannot be used: to be put right on the board. */
export class TpmUnavailableError extends Error {
  readonly code = 'tpm-unavailable';
}

/** Why a TPM refuses for good: another one sealed it or this one was cleared since, or its PCRs are others now. */
export type SealLoss = 'other-tpm' | 'pcrs-changed';

/** This TPM does not open, or not in this state of its board, what was sealed. */
export class SealLostError extends Error {
  readonly code = 'seal-lost';
  readonly loss: SealLoss;

  constructor(loss: SealLoss, message: string) {
    super(message);
    this.loss = loss;
  }
}

/** PCRs that cannot be sealed to. */
export class PcrSelectionError extends Error {
  readonly code = 'pcrs-unusable';
}
