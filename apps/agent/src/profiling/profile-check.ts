import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProfileRefusal } from '@aviary/protocol';
import { MANIFEST_FILE, parseManifest } from '@aviary/release';
import type { WorkerHandle } from '../inference/worker-handle.ts';
import type { HeldRelease, JournalState } from '../state/journal.ts';
import type { MemoryPreflight } from '../update/memory-preflight.ts';

/** The events of a profile, in the worker and in the file that is made of them. */
const TRACE_BYTES = 128 * 2 ** 20;

/** What serves. */
interface Serves {
  readonly release: Pick<HeldRelease, 'release'>;
  readonly worker: Pick<WorkerHandle, 'pid'>;
  /** Its opened files. */
  readonly folder: string;
}

/** What speaks against profiling what serves now; undefined: nothing does. */
export const refusalOf = async (
  serves: Serves,
  { candidate }: Pick<JournalState, 'candidate'>,
  memory: Pick<MemoryPreflight, 'shortageForTwin'>,
): Promise<ProfileRefusal | undefined> => {
  const { release } = serves.release;
  if (candidate?.stage === 'probation') {
    const message = `${release} is on probation, and a profile would slow what is being judged. Ask again when it has ended.`;
    return { code: 'on-probation', message };
  }
  const { runtime } = parseManifest(await readFile(join(serves.folder, MANIFEST_FILE))).variant;
  if (runtime !== 'onnxruntime') {
    const message = `Expected a release that ONNX Runtime runs, ${release} runs on ${runtime}. Use that runtime's own profiler.`;
    return { code: 'runtime-without-profile', message };
  }
  const shortage = memory.shortageForTwin(serves.worker, TRACE_BYTES);
  if (shortage === undefined) return undefined;
  const message = `${release} would have to be loaded once more to be measured: ${shortage}. Profile it on a board of this kind with more memory.`;
  return { code: 'memory-short', message };
};
