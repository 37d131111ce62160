import type { DeviceFacts } from '@aviary/hardware';
import type {
  EventRecord,
  ExecutionRecord,
  LearningRecord,
  MetricsRecord,
  OperatorProfileRecord,
} from '@aviary/protocol';
import type { Logger } from 'pino';
import type { Serving } from '../inference/serving.ts';
import type { LoadedRelease } from '../update/serving-slot.ts';
import type { BoardMeter } from './board-meter.ts';
import type { Uplink } from './uplink.ts';

/** As much as a record's words may hold. */
const LONGEST_MESSAGE = 1_000;
/** A window that is longer has seen the machine asleep; its counts are still right. */
const LONGEST_WINDOW_S = 86_400;

export interface ReporterOptions {
  readonly windowSeconds: number;
  readonly meter: Pick<BoardMeter, 'read' | 'close'>;
}

/** Turns what happens on the device into records: metrics by the clock, everything else at once. */
export class Reporter {
  readonly #uplink: Uplink;
  readonly #serving: Pick<Serving, 'take'>;
  readonly #options: ReporterOptions;
  readonly #log: Logger;
  /** Of the monotonic clock: the other one jumps. */
  #windowStart = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #serves: LoadedRelease | null = null;

  constructor(uplink: Uplink, serving: Pick<Serving, 'take'>, options: ReporterOptions, log: Logger) {
    this.#uplink = uplink;
    this.#serving = serving;
    this.#options = options;
    this.#log = log;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#flush().catch((error: unknown) => this.#log.warn({ err: error }, 'a window could not be reported'));
    }, this.#options.windowSeconds * 1000);
  }

  /** Reports the last window. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#flush();
    this.#options.meter.close();
  }

  facts(facts: DeviceFacts): Promise<void> {
    return this.#uplink.report([{ type: 'facts', at: Date.now(), facts }]);
  }

  /** Resolves once it is kept, whatever becomes of the connection. */
  execution(record: Omit<ExecutionRecord, 'type' | 'at'>): Promise<void> {
    const { reason, ...rest } = record;
    const shortened = reason === undefined ? {} : { reason: { ...reason, message: shorten(reason.message) } };
    return this.#uplink.report([{ type: 'execution', at: Date.now(), ...rest, ...shortened }]);
  }

  /** Tells a person, here and at the control plane. */
  event(level: EventRecord['level'], code: string, message: string): Promise<void> {
    this.#log[level === 'warning' ? 'warn' : level]({ code }, message);
    return this.#uplink.report([{ type: 'event', at: Date.now(), level, code, message: shorten(message) }]);
  }

  /** How much the device has to learn from. */
  learning(record: Omit<LearningRecord, 'type' | 'at'>): Promise<void> {
    return this.#uplink.report([{ type: 'learning', at: Date.now(), ...record }]);
  }

  /** What its operators cost, or why that was not measured. */
  operatorProfile({ refusal, ...rest }: Omit<OperatorProfileRecord, 'type' | 'at'>): Promise<void> {
    const shortened = refusal && { ...refusal, message: shorten(refusal.message) };
    return this.#uplink.report([{ type: 'operator-profile', at: Date.now(), ...rest, refusal: shortened }]);
  }

  /** Another release is about to serve, or none: what was counted so far is reported as the one before's. */
  async switching(to: LoadedRelease | null): Promise<void> {
    await this.#flush();
    this.#serves = to;
  }

  /** What serves now. */
  running(release: { readonly release: string; readonly digest: string } | null): Promise<void> {
    return this.#uplink.report([
      { type: 'running', at: Date.now(), release: release?.release ?? null, digest: release?.digest ?? null },
    ]);
  }

  async #flush(): Promise<void> {
    const serves = this.#serves;
    const elapsedMs = performance.now() - this.#windowStart;
    this.#windowStart += elapsedMs;
    const { frames, dropped, errors, ...counts } = this.#serving.take();
    const { news, ...usage } = await this.#options.meter.read(serves?.worker.pid ?? null, serves?.worker.sidecarPid);
    if (news !== null) await this.event(news.level, news.code, news.message);
    // Frames without a release are dropped frames, and say nothing of a model; the running record says that none serves.
    if (serves === null || frames + dropped + errors === 0) return;
    const { requested, effective } = serves.worker.provider;
    const record: MetricsRecord = {
      type: 'metrics',
      at: Math.max(0, Math.round(Date.now() - elapsedMs)),
      windowSeconds: Math.min(LONGEST_WINDOW_S, Math.max(0.001, elapsedMs / 1000)),
      release: serves.release.release,
      digest: serves.release.digest,
      frames,
      dropped,
      errors,
      ...counts,
      provider: { requested: [...requested], effective },
      ...usage,
    };
    await this.#uplink.report([record]);
  }
}

const shorten = (message: string): string =>
  message.length <= LONGEST_MESSAGE ? message : `${message.slice(0, LONGEST_MESSAGE - 1)}…`;
