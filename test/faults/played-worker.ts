import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMessage, sayMessage } from '../../apps/agent/src/inference/worker/blocking-pipe.ts';
import type { WorkerConfig, WorkerReply, WorkerRequest } from '../../apps/agent/src/inference/worker-messages.ts';

// Stands for a worker where hundreds are started: reads the release's manifest, its model and its pictures, answers each
// frame with the first label, and has no runtime that would have to be loaded.

const { archiveDirectory }: WorkerConfig = JSON.parse(process.argv[2] ?? 'null');
const read = (file: string): Buffer => readFileSync(join(archiveDirectory, file));

const manifest = JSON.parse(read('manifest.json').toString('utf8'));
const files: string[] = [
  manifest.variant.file,
  ...manifest.acceptance.samples.map(({ file }: { file: string }) => file),
];
if (files.some((file) => read(file).length === 0)) throw new Error(`an empty file among ${files.join(', ')}`);

const answer = (request: WorkerRequest): WorkerReply => {
  const { id } = request;
  if (request.kind === 'ping') return { kind: 'pong', id };
  if (request.kind === 'features') return { kind: 'features', id, remembered: false };
  if (request.kind === 'stress') return { kind: 'stress', id, figures: { frames: 1, failed: 0, p95Ms: 0 } };
  const samples = files.length - 1;
  if (request.kind === 'acceptance') {
    return { kind: 'acceptance', id, report: { passed: true, failures: [], figures: { samples, golden: 0 } } };
  }
  const ms = { preprocess: 0, run: 0, postprocess: 0, total: 0 };
  const result = { label: manifest.labels[0], index: 0, confidence: 1, lowConfidence: false, ms };
  return { kind: 'result', id, result };
};

const provider = { requested: ['cpu'], effective: 'cpu', rejected: [] };
sayMessage({ kind: 'ready', release: manifest.release, provider } satisfies WorkerReply);
for (let message = readMessage(); message !== null; message = readMessage()) {
  sayMessage(answer(message.head as WorkerRequest));
}
process.exit();
