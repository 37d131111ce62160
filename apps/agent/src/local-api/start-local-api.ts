import type { Logger } from 'pino';
import type { FleetMember } from '../fleet-member.ts';
import { networkFence } from '../inference/network-fence.ts';
import type { Serving } from '../inference/serving.ts';
import { FeedbackError } from '../learning/feedback-error.ts';
import type { Learner } from '../learning/learner.ts';
import type { HeldRelease } from '../state/journal.ts';
import type { BoardMeter } from '../telemetry/board-meter.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import type { ConsentDecision } from '../update/holding.ts';
import { AGENT_VERSION } from '../version.ts';
import { agentMetrics } from './agent-metrics.ts';
import type { Infer } from './infer-route.ts';
import { LocalApi, type LocalApiPlaces } from './local-api.ts';
import { ListenError } from './loopback.ts';
import { prometheusText } from './prometheus-text.ts';
import { localResult, type ResultStream } from './result-stream.ts';
import { SocketPathError } from './socket-file.ts';

/** No process has this id; nothing is counted for it. */
const NO_PROCESS = 0;

interface LocalApiParts {
  readonly results: ResultStream;
  readonly serving: Pick<Serving, 'ask' | 'totals' | 'waiting' | 'worker' | 'captureState' | 'captureRestarts'>;
  readonly meter: Pick<BoardMeter, 'read' | 'zones'>;
  /** Null: the device does not learn. */
  readonly learner: Learner | null;
  readonly serves: () => HeldRelease | null;
  readonly member: Pick<FleetMember, 'waiting' | 'decide' | 'isConnected' | 'spoolBytes'>;
  readonly tell: (...event: Parameters<Reporter['event']>) => void;
}

/**
 * Opens the agent's socket and port for applications on the board. Only a wrong path or a port that is taken keeps the
 * agent from its start; a disk that takes no socket does not.
 * @throws SocketPathError; ListenError
 */
export const startLocalApi = async (
  places: LocalApiPlaces,
  { results, serving, meter, learner, serves, member, tell }: LocalApiParts,
  log: Logger,
): Promise<LocalApi | null> => {
  if (places.socket === null && places.listen === null) return null;
  const health = () => {
    const release = serves();
    return {
      status: release === null ? 'idle' : 'serving',
      release: release?.release ?? null,
      digest: release?.digest ?? null,
      capture: serving.captureState,
      learning: learner !== null,
      samples: learner?.trainable?.samples.counts.samples ?? 0,
    };
  };
  const infer: Infer = async (frame, signal) => {
    const { result, release } = await serving.ask(frame, signal);
    return localResult(frame.source, release, result);
  };
  const metrics = async (problems: ReadonlyMap<string, number>): Promise<string> => {
    const { worker, totals, waiting, captureState, captureRestarts } = serving;
    const release = serves();
    const board = await meter.read(worker?.pid ?? NO_PROCESS, worker?.sidecarPid);
    return prometheusText(
      agentMetrics({
        version: AGENT_VERSION,
        totals,
        waiting,
        captureState,
        captureRestarts,
        serves:
          release === null || worker === null
            ? null
            : { release: release.release, digest: release.digest, provider: worker.provider.effective },
        readers: results.readers,
        problems,
        isConnected: member.isConnected,
        spoolBytes: member.spoolBytes,
        isNetworkClosed: networkFence().closed,
        ...board,
        zones: await meter.zones(),
      }),
    );
  };
  const feedback = async (id: string, label: string): Promise<number> => {
    if (learner !== null) return learner.label(id, label);
    const words = 'This device keeps no labels, since nobody has allowed it to. Start the agent with --learn.';
    throw new FeedbackError('learning-off', words);
  };
  const waiting = () => member.waiting;
  const decide = (decision: ConsentDecision) => member.decide(decision);
  const api = new LocalApi({ results, infer, metrics, health, feedback, waiting, decide }, log);
  try {
    await api.start(places);
    return api;
  } catch (error) {
    if (error instanceof SocketPathError || error instanceof ListenError) {
      await api.stop();
      throw error;
    }
    const why = error instanceof Error ? error.message : error;
    tell('warning', 'local-api-off', `where applications on the board reach it cannot be opened: ${why}`);
    return api;
  }
};
