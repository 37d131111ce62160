/** There is no way to the control plane; the message says what to do. */
export class ConnectionError extends Error {
  readonly code = 'connection';
}
