/**
 * How one kind of external broker is told that a certificate is not to be believed any more, although it has not
 * expired. Said again, each of these changes nothing.
 */
export interface SessionControl {
  start(): void;
  stop(): Promise<void>;
  /** Ends the session of a device, and refuses it whatever it does later. @throws BrokerUnavailableError */
  bar(deviceId: string): Promise<void>;
  /** Takes that back, for a device that has joined anew. @throws BrokerUnavailableError */
  readmit(deviceId: string): Promise<void>;
  /** Everybody whom the broker refuses now. @throws BrokerUnavailableError */
  barred(): Promise<Set<string>>;
}
