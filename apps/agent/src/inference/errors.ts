import type { SidecarErrorCode } from './sidecar/sidecar-messages.ts';

/** Codes of everything that can go wrong between the supervisor and its worker. Stable: telemetry and tests use them. */
export type InferenceErrorCode =
  | 'worker-start-failed'
  | 'worker-start-timeout'
  | 'worker-exited'
  | 'worker-unresponsive'
  | 'worker-memory'
  | 'frame-timeout'
  | 'frame-undecodable'
  | 'frame-failed'
  | 'acceptance-failed-to-run'
  | 'profile-failed-to-run'
  | 'protocol-broken'
  | 'sidecar-lost'
  | 'sidecar-refused'
  | 'nothing-serves'
  | 'requests-too-many';

/** Base of the errors of inference; `code` is stable, the message says what was expected, what came and what to do. */
export class InferenceError extends Error {
  readonly code: InferenceErrorCode;
  constructor(code: InferenceErrorCode, message: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The worker could not be started, or not in time; it does not run any more. */
export class WorkerStartError extends InferenceError {}

/** The worker is gone or was ended because it gave no sign of life; whatever it was asked stays unanswered. */
export class WorkerLostError extends InferenceError {}

/** One frame got no answer; the worker lives on and takes the next one. */
export class FrameError extends InferenceError {}

/** The sidecar is gone, or says what is no answer: nothing that it says can be believed any more. */
export class SidecarLostError extends InferenceError {}

/** The sidecar did not do one thing, and goes on; `reason` is the code of its own protocol. */
export class SidecarRefusedError extends InferenceError {
  readonly reason: SidecarErrorCode;
  constructor(reason: SidecarErrorCode, message: string) {
    super('sidecar-refused', message);
    this.reason = reason;
  }
}

/** A picture of an application was not taken; nothing has been done with it. */
export class RequestRefusedError extends InferenceError {}
