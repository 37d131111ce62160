import { ApiError, deviceRoutes, type RoundTask } from '@aviary/protocol';
import type { Logger } from 'pino';
import type { DeviceApi } from '../link/device-api.ts';
import { askedTask, BrokenOffError, DeviceErrand } from '../link/device-errand.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { Learner, Trainable } from './learner.ts';
import { fitTask } from './round-fit.ts';
import type { RoundAnswer, RoundMemory } from './round-memory.ts';
import { doRoundTask, labelledFeatures, sha256Of } from './round-work.ts';
import { TrainerError, type TrainerOptions } from './trainer-handle.ts';

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
  readonly #errand: DeviceErrand;

  constructor(parts: RoundParts) {
    this.#parts = parts;
    this.#errand = new DeviceErrand({
      run: (signal) => this.#lookOnce(signal),
      pollMs: parts.pollMs,
      failed: 'a federated round; it is looked at again',
      log: parts.log,
    });
  }

  /** Asks at once, or once more after what is under way. */
  look(): void {
    this.#errand.look();
  }

  /** Another release serves, or none. */
  servingChanged(): void {
    this.#errand.breakOff('another release serves');
    this.#errand.look();
  }

  /** Ends what is under way; it is begun anew after the next start. */
  stop(): Promise<void> {
    return this.#errand.stop();
  }

  async #lookOnce(signal: AbortSignal): Promise<void> {
    await this.#deliver();
    const { api, memory, learner } = this.#parts;
    const task = await askedTask(() => api.call(deviceRoutes.roundTask, {}));
    signal.throwIfAborted();
    if (task === undefined || memory.isFinished(task)) return;
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
