import type { BoardState, EventRecord, ThrottleCause } from '@aviary/protocol';

/** So long nothing must slow the board down before that is over: a weak supply comes and goes by the second. */
export const OVER_AFTER_MS = 60_000;

export type ThrottleNews = Pick<EventRecord, 'level' | 'code' | 'message'>;

const WORDS: Readonly<Record<ThrottleCause, string>> = {
  'under-voltage': 'its supply gives too little voltage',
  'frequency-capped': 'its firmware caps the clock',
  throttled: 'its firmware has lowered the clock',
  'soft-temperature-limit': 'it is above the soft temperature limit',
  thermal: 'the kernel holds it back for its temperature',
  'over-current': 'it takes more current than it may',
  'accelerator-hot': 'its accelerator is hot and has lowered its clock',
};

/** Tells when a board begins to slow itself down, for another reason than before too, and when that is over. */
export class ThrottleWatch {
  readonly #throttleC: number | undefined;
  /** What was told and is not over. */
  readonly #told = new Set<ThrottleCause>();
  #since = 0;
  #lastSeen = 0;

  /** @param throttleC degrees Celsius from which such boards do it, as the profile says */
  constructor(throttleC: number | undefined) {
    this.#throttleC = throttleC;
  }

  /** @param now milliseconds of a monotonic clock @returns null when there is nothing to tell */
  look({ throttled, temperatureC }: BoardState, now: number): ThrottleNews | null {
    // A board that tells nothing for a moment is neither slow nor well.
    if (throttled === undefined) return null;
    if (throttled.length === 0) {
      if (this.#told.size === 0 || now - this.#lastSeen < OVER_AFTER_MS) return null;
      this.#told.clear();
      const seconds = Math.round((this.#lastSeen - this.#since) / 1000);
      const message = `The board does not slow itself down any more; it did for ${seconds} s.${this.#heat(temperatureC)}`;
      return { level: 'info', code: 'throttling-ended', message };
    }
    if (this.#told.size === 0) this.#since = now;
    this.#lastSeen = now;
    if (throttled.every((cause) => this.#told.has(cause))) return null;
    for (const cause of throttled) this.#told.add(cause);
    const causes = throttled.map((cause) => `${WORDS[cause]} (${cause})`).join('; ');
    return {
      level: 'warning',
      code: 'throttled',
      message: `The board slows itself down: ${causes}.${this.#heat(temperatureC)}`,
    };
  }

  #heat(temperatureC: number | undefined): string {
    if (temperatureC === undefined) return '';
    const from = this.#throttleC === undefined ? '' : `; such boards slow down from ${this.#throttleC} °C`;
    return ` It is at ${temperatureC.toFixed(1)} °C${from}.`;
  }
}
