import { createHash } from 'node:crypto';
import { headSize } from '@aviary/federation';
import { deviceRoutes, type RoundTask, routeUrl } from '@aviary/protocol';
import type { DeviceApi } from '../link/device-api.ts';
import type { Trainable } from './learner.ts';
import type { RoundAnswer } from './round-memory.ts';
import { floatsOf, type Sample } from './sample.ts';
import { encodeBody, type LabelledFeatures } from './trainer/samples-body.ts';
import { runTrainer, type TrainerOptions } from './trainer-handle.ts';

/** The round has a deadline of its own; this is for a connection that hangs. */
const AGGREGATE_PATIENCE_MS = 600_000;

/** Samples whose label the release has, as the trainer takes them. */
export const labelledFeatures = (
  samples: readonly Sample[],
  { served, training }: Pick<Trainable, 'served' | 'training'>,
): LabelledFeatures => {
  const known = samples.filter(({ label }) => served.labels.includes(label));
  const features = new Float32Array(known.length * training.features);
  known.forEach((sample, row) => {
    features.set(sample.features, row * training.features);
  });
  return { labels: Uint32Array.from(known, ({ label }) => served.labels.indexOf(label)), features };
};

/**
 * Does a device's part in a round: trains on its samples, or answers them with both heads.
 * @throws TrainerError; the signal's reason; what the control plane refused
 */
export const doRoundTask = async (
  task: RoundTask,
  { served, training }: Trainable,
  labelled: LabelledFeatures,
  { api, trainer, signal }: { api: Pick<DeviceApi, 'bytes'>; trainer: TrainerOptions; signal: AbortSignal },
): Promise<RoundAnswer> => {
  const { round, deadlineAt } = task;
  const samples = labelled.labels.length;
  const common = { modelFile: served.modelFile, training, samples };
  if (task.part === 'train') {
    const request = { ...common, kind: 'train' as const, how: task.training, round };
    const body = encodeBody(labelled, new Float32Array(0));
    const { reply, body: update } = await runTrainer(served.folder, request, body, signal, trainer);
    if (reply.kind !== 'trained') throw new Error(`the trainer answered with "${reply.kind}", which was not asked`);
    const text = Buffer.from(update).toString('base64');
    return { part: 'train', round, deadlineAt, base: training.base, samples, loss: reply.loss, update: text };
  }
  const update = await aggregateOf(task, headSize(training) * 4, api, signal);
  const body = encodeBody(labelled, floatsOf(update));
  const { reply } = await runTrainer(served.folder, { ...common, kind: 'evaluate' }, body, signal, trainer);
  if (reply.kind !== 'evaluated') throw new Error(`the trainer answered with "${reply.kind}", which was not asked`);
  const { base, candidate } = reply;
  return { part: 'evaluate', round, deadlineAt, report: { update: sha256Of(update), samples, base, candidate } };
};

/** The update that is to be judged; other bytes than the task names are never used. */
const aggregateOf = async (
  { round, update }: RoundTask,
  length: number,
  api: Pick<DeviceApi, 'bytes'>,
  signal: AbortSignal,
): Promise<Buffer> => {
  const path = routeUrl(deviceRoutes.roundAggregate, { params: { id: round } });
  const bytes = await api.bytes(path, length, AGGREGATE_PATIENCE_MS, signal);
  const digest = sha256Of(bytes);
  if (bytes.length === length && digest === update) return bytes;
  throw new Error(`expected the update ${update} of ${length} bytes, got ${digest} of ${bytes.length}`);
};

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
