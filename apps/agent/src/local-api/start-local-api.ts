import type { Logger } from 'pino';
import type { FleetMember } from '../fleet-member.ts';
import { FeedbackError } from '../learning/feedback-error.ts';
import type { Learner } from '../learning/learner.ts';
import type { HeldRelease } from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { ConsentDecision } from '../update/holding.ts';
import { LocalApi } from './local-api.ts';
import type { ResultStream } from './result-stream.ts';
import { SocketPathError } from './socket-file.ts';

interface LocalApiParts {
  readonly results: ResultStream;
  /** Null: the device does not learn. */
  readonly learner: Learner | null;
  readonly serves: () => HeldRelease | null;
  readonly updates: Pick<FleetMember, 'waiting' | 'decide'>;
  readonly tell: (...event: Parameters<Reporter['event']>) => void;
}

/**
 * Opens the agent's socket for applications on the board. Only a wrong path keeps the agent from its start; a disk that
 * takes no socket does not.
 * @param path null: none
 * @throws SocketPathError
 */
export const startLocalApi = async (
  path: string | null,
  { results, learner, serves, updates, tell }: LocalApiParts,
  log: Logger,
): Promise<LocalApi | null> => {
  if (path === null) return null;
  const health = () => {
    const release = serves();
    return {
      status: release === null ? 'idle' : 'serving',
      release: release?.release ?? null,
      digest: release?.digest ?? null,
      learning: learner !== null,
      samples: learner?.trainable?.samples.counts.samples ?? 0,
    };
  };
  const feedback = async (id: string, label: string): Promise<number> => {
    if (learner !== null) return learner.label(id, label);
    const words = 'This device keeps no labels, since nobody has allowed it to. Start the agent with --learn.';
    throw new FeedbackError('learning-off', words);
  };
  const waiting = () => updates.waiting;
  const decide = (decision: ConsentDecision) => updates.decide(decision);
  const api = new LocalApi({ results, health, feedback, waiting, decide }, log);
  try {
    await api.start(path);
    return api;
  } catch (error) {
    if (error instanceof SocketPathError) throw error;
    const why = error instanceof Error ? error.message : error;
    tell('warning', 'local-api-off', `the socket for applications on the board, ${path}, cannot be made: ${why}`);
    return null;
  }
};
