import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMessage, sayMessage } from '../../apps/agent/src/inference/worker/blocking-pipe.ts';
import type { WorkerConfig, WorkerReply, WorkerRequest } from '../../apps/agent/src/inference/worker-messages.ts';

// A worker that goes wrong at its third frame, in the manner that its release's archive names in `bad.txt`; without that
// file it answers for ever.

const GOOD_FRAMES = 2;
const LEAK_BYTES = 64 * 2 ** 20;

const { archiveDirectory }: WorkerConfig = JSON.parse(process.argv[2] ?? 'null');
const { release, labels } = JSON.parse(readFileSync(join(archiveDirectory, 'manifest.json'), 'utf8'));
const mannerIn = (folder: string): string | undefined => {
  try {
    return readFileSync(join(folder, 'bad.txt'), 'utf8');
  } catch {
    return undefined;
  }
};
const manner = mannerIn(archiveDirectory);
const leaked: Buffer[] = [];

const goWrong = (): void => {
  if (manner === 'crashes') process.abort();
  if (manner === 'ends') process.exit(1);
  if (manner === 'hangs') for (;;);
  if (manner === 'answers garbage') sayMessage({ kind: 'result', id: 'none', nonsense: true });
  if (manner === 'speaks another protocol') process.stdout.write('HTTP/1.1 200 OK\r\n\r\n');
  // Written to, so that it is really there.
  if (manner === 'leaks') leaked.push(Buffer.alloc(LEAK_BYTES, 1));
};

const ms = { preprocess: 0, run: 0, postprocess: 0, total: 0 };
const result = { label: labels[0], index: 0, confidence: 1, lowConfidence: false, ms };
const provider = { requested: ['cpu'], effective: 'cpu', rejected: [] };
sayMessage({ kind: 'ready', release, provider } satisfies WorkerReply);
let frames = 0;
for (let message = readMessage(); message !== null; message = readMessage()) {
  const request = message.head as WorkerRequest;
  if (request.kind === 'ping') {
    sayMessage({ kind: 'pong', id: request.id });
    continue;
  }
  frames += 1;
  if (frames > GOOD_FRAMES) goWrong();
  sayMessage({ kind: 'result', id: request.id, result } satisfies WorkerReply);
}
process.exit();
