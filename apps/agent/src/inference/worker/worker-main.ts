import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MANIFEST_FILE, parseManifest } from '@aviary/release';
import sharp from 'sharp';
import { FrameError, InferenceError, SidecarLostError } from '../errors.ts';
import type { Picture } from '../frame.ts';
import { type SpokenReply, type WorkerRequest, workerConfigSchema } from '../worker-messages.ts';
import { runAcceptance, runStress } from './acceptance-run.ts';
import { readMessage, sayMessage } from './blocking-pipe.ts';
import { LoadedRelease } from './loaded-release.ts';

// The program of a worker process: loads one release, then answers what comes on stdin, in order, until stdin closes.

const config = workerConfigSchema.parse(JSON.parse(process.argv[2] ?? 'null'));
// One frame at a time: a pool of decoder threads and a cache of pictures would only take memory from the model.
sharp.concurrency(1);
sharp.cache(false);
// Ctrl-C in a terminal reaches the whole group; the supervisor decides when a worker ends.
process.on('SIGINT', () => {});

function say(reply: SpokenReply): void {
  sayMessage(reply);
}

/** An answer with more in it than a message holds leaves its frame unanswered, and not the supervisor without a worker. */
function sayWithin(reply: Extract<SpokenReply, { id: number }>): void {
  try {
    say(reply);
  } catch (error) {
    if (!(error instanceof InferenceError && error.code === 'protocol-broken')) throw error;
    const words = `the answer is too long to be told: ${error.message}`;
    say({ kind: 'error', id: reply.id, code: 'frame-failed', words });
  }
}

function sayFeatures(loaded: LoadedRelease, { id, frame }: Extract<WorkerRequest, { kind: 'features' }>): void {
  const vector = loaded.features(frame);
  const reply: SpokenReply = { kind: 'features', id, remembered: vector !== undefined };
  sayMessage(reply, vector && new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
}

async function answer(
  loaded: LoadedRelease,
  request: Exclude<WorkerRequest, { kind: 'features' }>,
  body: Uint8Array,
): Promise<Extract<SpokenReply, { id: number }>> {
  const { id } = request;
  try {
    if (request.kind === 'ping') {
      await loaded.ping();
      return { kind: 'pong', id };
    }
    if (request.kind === 'infer') {
      const picture: Picture = { ...request.picture, bytes: body };
      return { kind: 'result', id, result: await loaded.answer(picture, id) };
    }
    const onProgress = () => say({ kind: 'alive' });
    if (request.kind === 'stress') {
      const { seconds } = request;
      return { kind: 'stress', id, figures: await runStress(loaded, config.archiveDirectory, seconds, onProgress) };
    }
    if (request.kind === 'profile') {
      // With ONNX Runtime, which is not loaded where a sidecar runs the models.
      const { runProfile } = await import('./profile-run.ts');
      const report = await runProfile(loaded, config.archiveDirectory, request.frames, onProgress);
      return { kind: 'profile', id, report };
    }
    const report = await runAcceptance(loaded, config.archiveDirectory, onProgress);
    return { kind: 'acceptance', id, report: { ...report, failures: [...report.failures] } };
  } catch (error) {
    // Nothing is answered any more: the supervisor starts both anew.
    if (error instanceof SidecarLostError) throw error;
    const words = error instanceof Error ? error.message : String(error);
    if (request.kind === 'acceptance' || request.kind === 'stress')
      return { kind: 'error', id, code: 'acceptance-failed-to-run', words };
    if (request.kind === 'profile') return { kind: 'error', id, code: 'profile-failed-to-run', words };
    const undecodable = error instanceof FrameError && error.code === 'frame-undecodable';
    return { kind: 'error', id, code: undecodable ? 'frame-undecodable' : 'frame-failed', words };
  }
}

try {
  const manifest = parseManifest(readFileSync(join(config.archiveDirectory, MANIFEST_FILE)));
  const release = await LoadedRelease.load(manifest, config, () => say({ kind: 'alive' }));
  const { requested, effective, rejected } = release.provider;
  say({
    kind: 'ready',
    release: manifest.release,
    provider: { requested: [...requested], effective, rejected: [...rejected] },
  });
  for (let message = readMessage(); message !== null; message = readMessage()) {
    // The only writer is the supervisor that started this very program: a schema here would check our own types, at a
    // hundredth of a 1 ms model's time per frame. Replies, which come from where foreign models run, are checked.
    const request = message.head as WorkerRequest;
    if (request.kind === 'features') sayFeatures(release, request);
    else sayWithin(await answer(release, request, message.body));
  }
  await release.release();
} catch (error) {
  const words = error instanceof Error ? error.message : String(error);
  say({ kind: 'failed', words, ...(error instanceof SidecarLostError ? { isSidecarLost: true } : {}) });
  process.exitCode = 1;
}
// Not left to the event loop: a library's timer or thread must not keep a worker alive without a supervisor.
process.exit();
