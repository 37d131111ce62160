import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { LoadedModel } from './loaded-model.ts';
import type { LoadedRelease } from './loaded-release.ts';
import { type OperatorReport, OperatorSums, TraceUnreadableError } from './operator-sums.ts';
import { OnnxSession } from './session.ts';

/** The session keeps each event in memory until the end, about 1 kB each; what is more than this is not begun. */
const MOST_TRACE_BYTES = 64 * 2 ** 20;
/** The board has something else to do. */
const LONGEST_MS = 30_000;
/** Lines of a trace between two signs of life: a slow board reads as many within a second. */
const LINES_OF_A_SIGN = 2_000;

/**
 * Runs pictures of the release's own suite, one after the other and over again, and says what its operators have cost. Ends
 * sooner than asked where that takes long, or much memory.
 * @param onProgress is called after each picture
 * @throws TypeError where something else than ONNX Runtime runs its models; FrameError, or the file system's error, for a
 * picture that cannot be read; TraceUnreadableError
 */
export async function runProfile(
  release: LoadedRelease,
  archiveDirectory: string,
  frames: number,
  onProgress: () => void,
): Promise<OperatorReport> {
  const { samples } = release.manifest.acceptance;
  const answer = async (index: number): Promise<void> => {
    const sample = samples[index % samples.length];
    if (sample === undefined) return;
    await release.answer({ kind: 'encoded', bytes: await readFile(join(archiveDirectory, sample.file)) });
    onProgress();
  };
  // The first runs pay for page faults and caches.
  await answer(0);
  const models = release.models.map((model) => ({ model, session: onnxSession(model), warmUp: model.runs }));
  const start = performance.now();
  const bytes = process.memoryUsage.rss();
  let done = 0;
  while (done < frames) {
    await answer(done);
    done += 1;
    if (performance.now() - start > LONGEST_MS || process.memoryUsage.rss() - bytes > MOST_TRACE_BYTES) break;
  }
  const sums = new OperatorSums();
  for (const { model, session, warmUp } of models) {
    // A stage of a cascade may have had nothing to look at.
    const hasRun = model.runs > warmUp;
    const file = await traceFile(session.endProfiling());
    if (hasRun) await sums.add(linesOf(file, onProgress), models.length > 1 ? model.part.id : null, warmUp);
  }
  return sums.report(done);
}

/** Nothing else tells what each operator costs. */
const onnxSession = ({ part, session }: LoadedModel): OnnxSession => {
  if (session instanceof OnnxSession) return session;
  throw new TypeError(`expected ONNX Runtime to run ${part.file}, a sidecar does`);
};

/** What a session has written under this prefix. ONNX Runtime adds the time to it. */
const traceFile = async (prefix: string): Promise<string> => {
  const folder = dirname(prefix);
  const isTrace = (name: string): boolean => name.startsWith(`${basename(prefix)}_`) && name.endsWith('.json');
  const name = (await readdir(folder)).find(isTrace);
  if (name === undefined) throw new TraceUnreadableError('ONNX Runtime has written no profile');
  return join(folder, name);
};

async function* linesOf(file: string, onProgress: () => void): AsyncGenerator<string> {
  let lines = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    lines += 1;
    if (lines % LINES_OF_A_SIGN === 0) onProgress();
    yield line;
  }
}
