import { ApiError, Backoff, deviceRoutes, type RoundTask } from '@aviary/protocol';
import type { Logger } from 'pino';
import type { DeviceApi } from '../link/device-api.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { Learner, Trainable } from './learner.ts';
import { fitTask } from './round-fit.ts';
import type { RoundAnswer, RoundMemory } from './round-memory.ts';
import { doRoundTask, labelledFeatures, sha256Of } from './round-work.ts';
import { TrainerError, type TrainerOptions } from './trainer-handle.ts';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** What timers can hold. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

interface RoundParts {
  readonly api: Pick<DeviceApi, 'call' | 'upload' | 'bytes'>;
  readonly learner: Pick<Learner, 'trainable' | 'isUntrainable'>;
  /** Digest of the release that has proven itself here. */
  readonly committed: () => string | undefined;
  readonly memory: RoundMemory;
  readonly reporter: Pick<Reporter, 'event'>;
  readonly trainer: TrainerOptions;
  /** How often it asks when nobody rings. */
  readonly pollMs: number;
  readonly log: Logger;
}

/** Another release serves, the time is over, or the agent stops: what was being done is of no use any more. */
class BrokenOffError extends Error {
  readonly code = 'broken-off';
}

/** The device cannot take part yet, and asks again. */
class NotYetError extends Error {
  readonly code = 'not-yet';
}

/**
 * The device's part in federated rounds: asks for it when somebody rings, at each connection, and now and then; does it
 * once; and sends what came of it until that is acknowledged. Only an update, counts and a loss ever leave.
 */
export class RoundParticipant {
  readonly #parts: RoundParts;
  readonly #retry = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random);
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #work = new AbortController();
  #again = false;
  #stopped = false;

  constructor(parts: RoundParts) {
    this.#parts = parts;
  }

  /** Asks at once, or once more after what is under way. */
  look(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#running ??= this.#run();
  }

  /** Another release serves, or none. */
  servingChanged(): void {
    this.#work.abort(new BrokenOffError('another release serves'));
    this.look();
  }

  /** Ends what is under way; it is begun anew after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#work.abort(new BrokenOffError('the agent stops'));
    await this.#running;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    // A fleet that was started together does not ask together for ever.
    let pauseMs = this.#parts.pollMs * (0.9 + 0.2 * Math.random());
    while (this.#again && !this.#stopped) {
      this.#again = false;
      this.#work = new AbortController();
      try {
        await this.#lookOnce(this.#work.signal);
        this.#retry.reset();
      } catch (error) {
        if (error instanceof BrokenOffError) continue;
        pauseMs = Math.min(pauseMs, this.#retry.next());
        this.#parts.log.info({ error: messageOf(error), pauseMs }, 'a federated round; it is looked at again');
      }
    }
    this.#running = undefined;
    if (!this.#stopped) this.#timer = setTimeout(() => this.look(), pauseMs);
  }

  async #lookOnce(signal: AbortSignal): Promise<void> {
    await this.#deliver();
    const task = await this.#ask();
    const { memory, learner } = this.#parts;
    if (task === undefined || this.#stopped || memory.isFinished(task)) return;
    const { trainable } = learner;
    const labelled = trainable === null ? undefined : labelledFeatures(await trainable.samples.read(), trainable);
    const fit = fitTask(task, this.#offer(trainable, labelled?.labels.length ?? 0), Date.now());
    if (fit.fits === 'not-yet') throw new NotYetError(fit.reason);
    if (fit.fits === 'no' || trainable === null || labelled === undefined) {
      await this.#decline(task, fit.fits === 'no' ? fit : { code: 'nothing-serves', reason: 'no release serves now' });
      return;
    }
    const answer = await this.#do(task, trainable, labelled, signal);
    if (answer === undefined) return;
    await memory.keep(answer).catch((error: unknown) => {
      // It may still be sent before anything happens.
      this.#parts.log.warn({ err: error }, 'an answer to a round could not be kept');
    });
    await this.#deliver();
  }

  #offer(trainable: Trainable | null, samples: number): Parameters<typeof fitTask>[1] {
    if (trainable === null) {
      return { serving: this.#parts.learner.isUntrainable ? 'untrainable' : null, committed: false, samples: 0 };
    }
    const { served, training } = trainable;
    const { release, digest } = served.held;
    const { backbone, base } = training;
    return { serving: { release, backbone, base }, committed: this.#parts.committed() === digest, samples };
  }

  async #ask(): Promise<RoundTask | undefined> {
    try {
      return await this.#parts.api.call(deviceRoutes.roundTask, {});
    } catch (error) {
      // Nothing is asked of it, or the control plane knows no rounds.
      if (error instanceof ApiError && error.problem.status === 404) return undefined;
      throw error;
    }
  }

  /** @returns undefined when there is nothing to answer */
  async #do(
    task: RoundTask,
    trainable: Trainable,
    labelled: ReturnType<typeof labelledFeatures>,
    signal: AbortSignal,
  ): Promise<RoundAnswer | undefined> {
    const { api, trainer, log, reporter } = this.#parts;
    const deadline = new AbortController();
    const left = Math.min(LONGEST_TIMER_MS, task.deadlineAt - Date.now());
    const timer = setTimeout(() => deadline.abort(new BrokenOffError('the deadline has passed')), left);
    log.info({ round: task.round, part: task.part, samples: labelled.labels.length }, 'takes part in a round');
    try {
      const both = AbortSignal.any([signal, deadline.signal]);
      return await doRoundTask(task, trainable, labelled, { api, trainer, signal: both });
    } catch (error) {
      if (deadline.signal.aborted && !signal.aborted) {
        await reporter.event(
          'warning',
          'round-late',
          `round ${task.round}: the deadline came before the device was done`,
        );
        await this.#finish(task);
        return undefined;
      }
      if (!(error instanceof TrainerError)) throw error;
      await reporter.event('warning', 'round-failed', `round ${task.round}: ${error.message}`);
      await this.#decline(task, { code: error.code, reason: error.message });
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  async #decline(task: RoundTask, { code, reason }: { code: string; reason: string }): Promise<void> {
    const { api, log } = this.#parts;
    log.info({ round: task.round, code, reason }, 'does not take part in a round');
    const body = { code, reason: reason.slice(0, 1000) };
    await sendOnce(() => api.call(deviceRoutes.declineRound, { params: { id: task.round }, body }));
    await this.#finish(task);
  }

  /** Sends what is not acknowledged. @throws what makes sense to try again later */
  async #deliver(): Promise<void> {
    const { memory, reporter } = this.#parts;
    const { answer } = memory;
    if (answer === undefined) return;
    const refusal =
      Date.now() >= answer.deadlineAt ? 'its deadline has passed' : await sendOnce(() => this.#send(answer));
    if (refusal === undefined) {
      const { samples } = answer.part === 'train' ? answer : answer.report;
      const done = answer.part === 'train' ? 'trained on' : 'judged both heads by';
      await reporter.event(
        'info',
        `round-${answer.part}`,
        `round ${answer.round}: ${done} ${samples} labelled samples`,
      );
    } else {
      await reporter.event(
        'warning',
        'round-refused',
        `round ${answer.round}: what was answered does not count: ${refusal}`,
      );
    }
    await this.#finish(answer);
  }

  async #send(answer: RoundAnswer): Promise<void> {
    const { api } = this.#parts;
    const params = { id: answer.round };
    if (answer.part === 'evaluate') {
      await api.call(deviceRoutes.sendEvaluation, { params, body: answer.report });
      return;
    }
    const { base, samples, loss } = answer;
    const bytes = Buffer.from(answer.update, 'base64');
    await api.upload(
      deviceRoutes.sendUpdate,
      { params, query: { base, sha256: sha256Of(bytes), samples, loss } },
      bytes,
    );
  }

  /** The control plane counts each part once, too: a disk that does not take it must not keep the device at it. */
  async #finish(part: Pick<RoundAnswer, 'round' | 'part'>): Promise<void> {
    await this.#parts.memory.finish(part).catch((error: unknown) => {
      this.#parts.log.warn({ err: error }, 'that a part in a round is done could not be noted');
    });
  }
}

/** Refusals that another try may not meet. */
const PASSING: ReadonlySet<number> = new Set([401, 403, 408, 425, 429]);

/**
 * @returns why it was refused for good; undefined when it was taken
 * @throws what makes sense to try again
 */
const sendOnce = async (send: () => Promise<unknown>): Promise<string | undefined> => {
  try {
    await send();
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError) || error.code === 'unexpected-answer') throw error;
    const { status } = error.problem;
    const isNamed = error.code.startsWith('round-');
    if (status >= 500 || (PASSING.has(status) && !isNamed)) throw error;
    return `${error.code}: ${error.message}`;
  }
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
