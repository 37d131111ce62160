import type { OperatorProfile } from '@aviary/protocol';

/** What is measured; who measured it where is known to others. */
export type OperatorReport = Omit<OperatorProfile, 'release' | 'digest' | 'provider'>;

/** Operators, and types of them, that are named: `MOST_PROFILED_OPERATORS` of the protocol, which a worker does not load. */
const MOST_NAMED = 30;
const LONGEST_WORD = 200;
/** How ONNX Runtime names the event of an operator's own work. */
const KERNEL_TIME = '_kernel_time';

interface Span {
  readonly ts: number;
  readonly dur: number;
}

interface TraceEvent extends Span {
  readonly cat: string;
  readonly name: string;
  readonly args?: { readonly op_name?: string; readonly provider?: string };
}

type Operator = OperatorProfile['slowest'][number];
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Traces that were cut off, or are of another version. */
export class TraceUnreadableError extends Error {
  readonly code = 'trace-unreadable';
}

/**
 * Sums up the traces that ONNX Runtime writes when a session profiles: Chrome's trace event format, an event a line, times in
 * µs. A run of the session is an event `model_run`, written at its end; each operator in it is an event of the category
 * `Node`, written at its end, too. What ran inside of an operator (the body of a Loop or an If) was written before it, and
 * its time is taken off that of the outer one, so that nothing counts twice.
 */
export class OperatorSums {
  readonly #operators = new Map<string, Mutable<Operator>>();
  #runs = 0;
  #runUs = 0;

  /**
   * Adds the trace of one session.
   * @param model its name; null where there is but one
   * @param warmUp runs at the beginning that do not count
   * @throws TraceUnreadableError
   */
  async add(lines: AsyncIterable<string> | Iterable<string>, model: string | null, warmUp: number): Promise<void> {
    let runs = 0;
    let isWhole = false;
    /** Spans that no later one has been found around. */
    let open: Span[] = [];
    for await (const line of lines) {
      isWhole = line.startsWith(']');
      const event = eventOf(line);
      if (event === undefined) continue;
      if (event.cat === 'Session' && event.name === 'model_run') {
        open = [];
        runs += 1;
        if (runs <= warmUp) continue;
        this.#runs += 1;
        this.#runUs += event.dur;
      } else if (event.cat === 'Node' && event.name.endsWith(KERNEL_TIME)) {
        let inside = 0;
        for (let last = open.at(-1); last !== undefined && last.ts >= event.ts; last = open.at(-1)) {
          inside += last.dur;
          open.pop();
        }
        open.push(event);
        if (runs >= warmUp) this.#count(event, model, Math.max(0, event.dur - inside));
      }
    }
    if (!isWhole)
      throw new TraceUnreadableError('the profile that ONNX Runtime wrote was cut off; is there memory left?');
    if (runs <= warmUp) {
      throw new TraceUnreadableError('the profile that ONNX Runtime wrote has no runs that could be understood');
    }
  }

  /** @param frames that these runs were for */
  report(frames: number): OperatorReport {
    const operators = [...this.#operators.values()].sort(slowestFirst);
    const types = new Map<string, Mutable<OperatorProfile['types'][number]>>();
    for (const { type, provider, calls, totalUs } of operators) {
      const key = `${type}\n${provider}`;
      const sum = types.get(key) ?? { type, provider, operators: 0, calls: 0, totalUs: 0 };
      types.set(key, sum);
      sum.operators += 1;
      sum.calls += calls;
      sum.totalUs += totalUs;
    }
    return {
      frames,
      runs: this.#runs,
      runUs: this.#runUs,
      operatorUs: operators.reduce((sum, { totalUs }) => sum + totalUs, 0),
      operators: operators.length,
      slowest: operators.slice(0, MOST_NAMED),
      types: [...types.values()].sort(slowestFirst).slice(0, MOST_NAMED),
    };
  }

  #count({ name, args }: TraceEvent, model: string | null, us: number): void {
    const whole = name.slice(0, -KERNEL_TIME.length);
    const type = args?.op_name ?? '';
    const key = `${model ?? ''}\n${whole}\n${type}\n${args?.provider ?? ''}`;
    const operator = this.#operators.get(key) ?? {
      model,
      name: shortened(whole),
      type: shortened(type),
      provider: shortened(args?.provider ?? ''),
      calls: 0,
      totalUs: 0,
    };
    this.#operators.set(key, operator);
    operator.calls += 1;
    operator.totalUs += us;
  }
}

const slowestFirst = (a: { readonly totalUs: number }, b: { readonly totalUs: number }): number =>
  b.totalUs - a.totalUs;

const shortened = (text: string): string =>
  text.length <= LONGEST_WORD ? text : `${text.slice(0, LONGEST_WORD - 1)}…`;

/** @returns undefined for a line that is no event, or none that can be read: names of nodes come from the model, unescaped */
const eventOf = (line: string): TraceEvent | undefined => {
  if (!line.startsWith('{')) return undefined;
  try {
    const event = JSON.parse(line.replace(/,\s*$/, '')) as TraceEvent;
    return typeof event.ts === 'number' && typeof event.dur === 'number' ? event : undefined;
  } catch {
    return undefined;
  }
};
