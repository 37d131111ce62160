import { ApiError, Backoff, deviceRoutes } from '@aviary/protocol';
import type { Logger } from 'pino';
import type { DeviceApi } from '../link/device-api.ts';
import { type Credentials, checkCertificate, makeKey, requestFor, validityOf } from './credentials.ts';

/** A timer is set no further ahead: clocks are set right while it runs, and long timers fire at once. */
const LONGEST_SLEEP_MS = 3_600_000;
const SHORTEST_RETRY_MS = 1_000;
/** Part of its life after which a certificate is renewed, and within which part of it: not all of a fleet at once. */
const RENEW_AT = 2 / 3;
const JITTER = 1 / 12;

/**
 * When a certificate is to be renewed, in ms since 1970.
 * @param random draws from [0, 1)
 */
export const renewalTime = ({ from, to }: { readonly from: number; readonly to: number }, random: number): number =>
  from + (to - from) * (RENEW_AT + JITTER * random);

export interface RenewalOptions {
  readonly deviceId: string;
  readonly fleetCa: string;
  /** Those that the device has now. */
  readonly credentials: Credentials;
  /** Milliseconds since 1970, not before a time that is known to have passed. */
  readonly now: () => number;
  /** Makes them survive a power cut. */
  readonly keep: (credentials: Credentials) => Promise<void>;
  /** They are on disk: everything that connects takes them from now on. */
  readonly onRenewed: (credentials: Credentials) => void;
  /** It does not work, and not because nobody was there. Said once while it lasts. */
  readonly onRefused: (words: string) => void;
}

/**
 * Renews the device's certificate in time, with a new key. What comes is on disk before it is used for the first time: only
 * then is the certificate before it dead, so that neither a lost answer nor a power cut locks the device out.
 */
export class Renewal {
  readonly #api: Pick<DeviceApi, 'call'>;
  readonly #options: RenewalOptions;
  readonly #log: Logger;
  readonly #retry: Backoff;
  readonly #random: () => number;
  #dueAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #refused = false;

  constructor(api: Pick<DeviceApi, 'call'>, options: RenewalOptions, log: Logger, random: () => number = Math.random) {
    this.#api = api;
    this.#options = options;
    this.#log = log;
    this.#random = random;
    const validity = validityOf(options.credentials.certificate);
    // A week's certificate is tried for every half hour, one of a minute every second.
    const part = validity === undefined ? SHORTEST_RETRY_MS : (validity.to - validity.from) / 336;
    const longest = Math.min(Math.max(part, SHORTEST_RETRY_MS), LONGEST_SLEEP_MS);
    this.#retry = new Backoff(SHORTEST_RETRY_MS, longest, random);
  }

  start(): void {
    this.#plan(this.#options.credentials);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #plan({ certificate }: Credentials): void {
    const validity = validityOf(certificate);
    // One that cannot be read was not issued by a fleet: there is nothing to renew.
    if (validity === undefined) return;
    this.#dueAt = renewalTime(validity, this.#random());
    this.#sleep(this.#dueAt - this.#options.now());
  }

  #sleep(ms: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#wake(), Math.min(Math.max(ms, 0), LONGEST_SLEEP_MS));
  }

  async #wake(): Promise<void> {
    const early = (this.#dueAt ?? 0) - this.#options.now();
    if (early > 0) return this.#sleep(early);
    try {
      const renewed = await this.#renew();
      if (this.#stopped) return;
      this.#retry.reset();
      this.#refused = false;
      this.#options.onRenewed(renewed);
      this.#plan(renewed);
    } catch (error) {
      if (this.#stopped) return;
      const pauseMs = this.#retry.next();
      this.#log.info({ error: String(error), pauseMs }, 'the certificate could not be renewed; it will be tried again');
      this.#sayRefused(error);
      this.#sleep(pauseMs);
    }
  }

  async #renew(): Promise<Credentials> {
    const key = await makeKey();
    const csr = await requestFor(key);
    const { certificate } = await this.#api.call(deviceRoutes.renew, { body: { csr } });
    const renewed = { key, certificate };
    checkCertificate(renewed, this.#options);
    await this.#options.keep(renewed);
    this.#log.info({ until: validityOf(certificate)?.to }, 'the certificate was renewed');
    return renewed;
  }

  #sayRefused(error: unknown): void {
    const isAway =
      !(error instanceof Error) || !('code' in error) || /^E(CONN|HOST|NET|AI|TIME|PIPE)/.test(`${error.code}`);
    if (this.#refused || isAway || (error instanceof ApiError && error.problem.status >= 500)) return;
    this.#refused = true;
    this.#options.onRefused(error.message);
  }
}
