import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_FILE, parseManifest, type ReleaseManifest } from '@aviary/release';
import { type AcceptanceReport, judgeAcceptance } from '../inference/acceptance.ts';
import { InferenceError, WorkerStartError } from '../inference/errors.ts';
import type { WorkerHandle } from '../inference/worker-handle.ts';
import type { ExitReason } from '../inference/worker-process.ts';
import type { StartWorker } from '../update/serving-slot.ts';
import type { Character } from './character.ts';

const LOAD_MS = 400;
const SUITE_MS = 600;
/** What the process of a small model has in memory. */
const WORKER_BYTES = 110 * 2 ** 20;

/** Waits as long as a device takes for something. Rejects when the device stops. */
export type TakeTime = (usualMs: number) => Promise<void>;

/** By the folder in which they were opened and verified: read once for all devices. */
const manifests = new Map<string, Promise<ReleaseManifest>>();

const manifestIn = (folder: string): Promise<ReleaseManifest> => {
  const known = manifests.get(folder) ?? readFile(join(folder, MANIFEST_FILE)).then(parseManifest);
  manifests.set(folder, known);
  return known;
};

/** Plays the processes in which releases run: they take time, and load or not, as the device's character has it. */
export const simulatedWorkers =
  (character: Character, takeTime: TakeTime): StartWorker =>
  async ({ archiveDirectory, providers }) => {
    const { release, acceptance } = await manifestIn(archiveDirectory);
    await takeTime(LOAD_MS);
    const failure = character.failure(release);
    if (failure === 'load') {
      throw new WorkerStartError('worker-start-failed', 'the simulated runtime does not load it');
    }
    let end: (reason: ExitReason) => void = () => undefined;
    const exited = new Promise<ExitReason>((resolve) => {
      end = resolve;
    });
    return {
      pid: process.pid,
      sidecarPid: null,
      excludes: null,
      release,
      provider: { requested: providers, effective: providers[0] ?? 'cpu', rejected: [] },
      infer: async () => {
        throw new InferenceError('frame-failed', 'a simulated worker answers no frames');
      },
      features: async () => undefined,
      runAcceptance: async () => {
        await takeTime(SUITE_MS);
        return suite(character, acceptance.limits, acceptance.samples.length, release);
      },
      runStress: async (seconds) => {
        await takeTime(seconds * 1000);
        const p95Ms = character.p95Ms * character.regression(release);
        return { frames: Math.max(1, Math.floor((seconds * 1000) / p95Ms)), failed: 0, p95Ms };
      },
      memory: () => ({ resident: WORKER_BYTES, peak: WORKER_BYTES }),
      stop: async () => end({ kind: 'stopped', code: 0, signal: null, words: 'stopped' }),
      exited,
    } satisfies WorkerHandle;
  };

/** What the release's suite measures here; judged as on a board. */
const suite = (
  character: Character,
  limits: ReleaseManifest['acceptance']['limits'],
  samples: number,
  release: string,
): AcceptanceReport => {
  const fails = character.failure(release) === 'admission';
  const figures = {
    samples,
    accuracy: fails ? 0 : 1,
    p95Ms: character.p95Ms * character.regression(release),
    lowConfidenceRate: fails ? 1 : 0,
    golden: 1,
    maxGoldenDifference: fails ? Number.MAX_VALUE : 0,
  };
  const report = judgeAcceptance(figures, limits);
  if (!fails || !report.passed) return report;
  // The release asks for nothing that could be missed.
  const words = 'the simulated suite does not pass';
  return { passed: false, failures: [{ limit: 'accuracy', expected: 1, measured: 0, words }], figures };
};
