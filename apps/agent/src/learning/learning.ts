import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Identity } from '../identity/identity.ts';
import type { DeviceApi } from '../link/device-api.ts';
import type { Journal } from '../state/journal.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import { Learner } from './learner.ts';
import { learningBox } from './learning-box.ts';
import { RoundMemory } from './round-memory.ts';
import { RoundParticipant } from './round-participant.ts';
import { openSampleStore } from './sample-store.ts';
import type { TrainerOptions } from './trainer-handle.ts';

/** Under the state directory. */
const ROUNDS_FOLDER = 'rounds';

export interface LearningOptions {
  readonly stateDirectory: string;
  /** Labelled samples kept of each backbone; null: the device does not learn. */
  readonly learnSamples: number | null;
  readonly telemetrySeconds: number;
  readonly pollSeconds: number;
  readonly trainer?: TrainerOptions;
}

interface LearningParts {
  readonly identity: Identity;
  readonly api: DeviceApi;
  readonly journal: Pick<Journal, 'state'>;
  readonly reporter: Reporter;
  readonly log: Logger;
}

/** All of a device's learning: what it keeps, and its part in federated rounds. */
export interface Learning {
  readonly learner: Learner;
  readonly participant: RoundParticipant;
}

/** @returns null when nobody has allowed the device to learn @throws what the disk throws */
export const openLearning = async (
  { stateDirectory, learnSamples, telemetrySeconds, pollSeconds, trainer = {} }: LearningOptions,
  { identity, api, journal, reporter, log }: LearningParts,
): Promise<Learning | null> => {
  if (learnSamples === null) return null;
  const store = await openSampleStore(stateDirectory, identity, learnSamples);
  const memory = new RoundMemory(join(stateDirectory, ROUNDS_FOLDER), learningBox(identity.ageIdentity));
  await memory.open();
  const learner = new Learner({
    store,
    reporter,
    windowSeconds: telemetrySeconds,
    onChange: () => participant.servingChanged(),
    log,
  });
  const participant = new RoundParticipant({
    api,
    learner,
    committed: () => journal.state.committed?.digest,
    memory,
    reporter,
    trainer,
    pollMs: pollSeconds * 1000,
    log,
  });
  return { learner, participant };
};
