import { canDecide, planComparisons } from './gates/compared-gates.ts';
import { burstOf, type RateState, ratePerMinute, refill } from './rate.ts';
import { soakOf } from './soak.ts';
import type { RolloutSpec } from './spec/rollout-spec.ts';
import { windowAt } from './spec/window-spec.ts';
import { type PlannedWave, planControl, planWaves, type Strata } from './wave-plan.ts';

const YEAR_S = 366 * 86_400;
/** So many openings of windows are counted at most: more than a dry run should wait for. */
const MOST_OPENINGS = 3_000;

export interface ForecastQuestion {
  readonly spec: Pick<RolloutSpec, 'strategy' | 'gates' | 'onUncertain' | 'approval' | 'newcomers'>;
  readonly waves: readonly PlannedWave[];
  /** Devices that are held back, by stratum. */
  readonly control: Strata;
  /** All devices by time zone; '' for those that tell none. Matters to a window only. */
  readonly zones: Readonly<Record<string, number>>;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface Forecast {
  /** From now to the end of the last wave, at the earliest; null: more than a year, or after too many windows to count. */
  readonly seconds: number | null;
  /** When each wave can have passed, at the earliest, in seconds from now; those that nobody is in are not there. */
  readonly waves: readonly { readonly index: number; readonly seconds: number }[];
  /** What takes time too, and is not in it; where a person is needed. */
  readonly leavesOut: readonly string[];
}

/** Seconds that a release is watched on a device; one that is only fetched is not. In shadow it may be seen enough at once. */
const watchedOf = ({ mode, shadow, probation }: RolloutSpec['strategy']): number => {
  if (mode === 'download-only') return 0;
  return probation.seconds + (shadow?.frames === undefined ? (shadow?.seconds ?? 0) : 0);
};

interface Group {
  readonly zone: string;
  left: number;
  isOpen: boolean;
  /** When that may change, in ms since 1970. */
  until: number;
}

/** Tells devices of a rollout, as the conductor would if each one did at once what it is told. */
class Telling {
  readonly #strategy: RolloutSpec['strategy'];
  readonly #end: number;
  #now: number;
  #openings = 0;
  #rate: RateState | null = null;
  /** Of devices that were told and are on probation: when they succeed. In order. */
  readonly #coming: { readonly at: number; readonly devices: number }[] = [];
  #nextComing = 0;
  #succeeded = 0;

  constructor(strategy: RolloutSpec['strategy'], now: number) {
    this.#strategy = strategy;
    this.#now = now;
    this.#end = now + YEAR_S * 1000;
  }

  get now(): number {
    return this.#now;
  }

  /** Goes on to a later moment. */
  waitUntil(time: number): void {
    this.#now = Math.max(this.#now, time);
    for (let next = this.#coming[this.#nextComing]; next !== undefined && next.at <= this.#now; ) {
      this.#succeeded += next.devices;
      this.#nextComing += 1;
      next = this.#coming[this.#nextComing];
    }
  }

  /**
   * Tells all devices of a wave.
   * @returns whether all could be told within a year
   */
  tell(zones: Strata): boolean {
    const groups = Object.entries(zones).map(
      ([zone, left]): Group => ({ zone, left, isOpen: false, until: Number.NEGATIVE_INFINITY }),
    );
    let left = groups.reduce((sum, group) => sum + group.left, 0);
    while (left > 0) {
      if (this.#now > this.#end || this.#openings > MOST_OPENINGS) return false;
      const open = this.#openOf(groups);
      if (open.length === 0) {
        const opens = groups.reduce(
          (first, group) => (group.left > 0 ? Math.min(first, group.until) : first),
          Infinity,
        );
        this.waitUntil(Math.min(opens, this.#end + 1));
        continue;
      }
      left -= this.#take(open);
    }
    return true;
  }

  #openOf(groups: readonly Group[]): Group[] {
    const { window } = this.#strategy;
    if (window === undefined) return groups.filter((group) => group.left > 0);
    return groups.filter((group) => {
      if (group.left === 0) return false;
      if (this.#now >= group.until) {
        this.#openings += 1;
        const { open, opensAt, closesAt } = windowAt(window, this.#now, group.zone === '' ? null : group.zone);
        group.isOpen = open;
        group.until = (open ? closesAt : opensAt) ?? Infinity;
      }
      return group.isOpen;
    });
  }

  /** Tells as many as the rate allows at this moment, or waits until it allows more. @returns how many were told */
  #take(open: readonly Group[]): number {
    const available = open.reduce((sum, group) => sum + group.left, 0);
    const { rate } = this.#strategy;
    if (rate === undefined) return this.#told(open, available);
    const { tokens } = refill(rate, this.#rate, this.#succeeded, this.#now);
    const allowed = Math.min(available, Math.floor(tokens));
    if (allowed > 0) {
      this.#rate = { tokens: tokens - allowed, at: this.#now };
      return this.#told(open, allowed);
    }
    this.#rate = { tokens, at: this.#now };
    const perMinute = ratePerMinute(rate, this.#succeeded);
    const wanted = Math.max(1, Math.floor(Math.min(available, burstOf(perMinute))));
    // Successes raise the rate, and a window may close meanwhile.
    const full = this.#now + Math.max(1, Math.ceil(((wanted - tokens) / perMinute) * 60_000));
    const next = this.#coming[this.#nextComing]?.at ?? Infinity;
    const closes = open.reduce((first, { until }) => Math.min(first, until), Infinity);
    this.waitUntil(Math.min(full, next, this.#strategy.window === undefined ? Infinity : closes));
    return 0;
  }

  #told(open: readonly Group[], devices: number): number {
    let rest = devices;
    for (const group of open) {
      const some = Math.min(rest, group.left);
      group.left -= some;
      rest -= some;
    }
    this.#coming.push({ at: this.#now + watchedOf(this.#strategy) * 1000, devices });
    return devices;
  }
}

const leftOut = ({ spec }: ForecastQuestion, uncertain: readonly number[]): string[] => {
  const { strategy, approval, onUncertain, newcomers } = spec;
  const named = (waves: readonly number[]) =>
    `wave${waves.length === 1 ? '' : 's'} ${waves.map((n) => n + 1).join(', ')}`;
  return [
    strategy.mode === 'download-only' ? 'downloads' : 'downloads and installs',
    ...(strategy.mode === 'soft' ? ['the consent of applications on the boards'] : []),
    ...(strategy.probation.minFrames > 0 && strategy.mode !== 'download-only'
      ? [`the ${strategy.probation.minFrames} frames that probation waits for`]
      : []),
    ...(strategy.shadow?.frames === undefined ? [] : [`the ${strategy.shadow.frames} frames that it sees in shadow`]),
    'devices that are silent or fail',
    ...(newcomers === 'continue' ? ['newcomers, which it takes until somebody ends it'] : []),
    ...(approval === 'required' ? ['the approval by a second person'] : []),
    ...(uncertain.length > 0 && onUncertain === 'wait'
      ? [`a person who promotes ${named(uncertain)}, which can never tell`]
      : []),
  ];
};

/**
 * The earliest finish of a rollout in which everything goes well: devices are told as its rate and its windows allow, every
 * one succeeds when its probation is over, and each wave soaks. Each wave is taken to look like the fleet by time zone too.
 * Takes as many steps as the rate needs portions, at most one for each device.
 */
export const forecast = (question: ForecastQuestion): Forecast => {
  const { spec, waves, control, zones, now } = question;
  const { strategy, gates } = spec;
  const byZone = planWaves(strategy.waves, zones, planControl(strategy.control, zones));
  const compared = planComparisons(
    gates,
    waves.map(({ strata }) => strata),
    control,
  );
  const telling = new Telling(strategy, now);
  const passed: { index: number; seconds: number }[] = [];
  const uncertain: number[] = [];
  let isEndless = false;
  for (const { index, size } of waves) {
    if (size === 0) continue;
    const comparison = compared[index];
    const decides = comparison !== undefined && canDecide(comparison);
    if (comparison !== undefined && !decides) uncertain.push(index);
    if (!telling.tell(byZone[index]?.strata ?? {})) {
      isEndless = true;
      break;
    }
    telling.waitUntil(telling.now + (watchedOf(strategy) + soakOf(strategy, index, comparison)) * 1000);
    passed.push({ index, seconds: Math.ceil((telling.now - now) / 1000) });
  }
  const seconds = Math.ceil((telling.now - now) / 1000);
  return { seconds: isEndless ? null : seconds, waves: passed, leavesOut: leftOut(question, uncertain) };
};
