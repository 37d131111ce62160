import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyUpdate, encodeHead, updateBetween } from '@aviary/federation';
import { readHead, readModel } from '@aviary/onnx';
import { readMessage, sayMessage } from '../../inference/worker/blocking-pipe.ts';
import { judgeHead } from './judge-head.ts';
import { decodeBody } from './samples-body.ts';
import { DivergedError, trainHead } from './train-head.ts';
import { type TrainerReply, type TrainerRequest, trainerConfigSchema } from './trainer-messages.ts';

// The program of a trainer process: takes one request on stdin, works, answers on stdout, and ends.

const config = trainerConfigSchema.parse(JSON.parse(process.argv[2] ?? 'null'));
process.on('SIGINT', () => {});

/** The head with which the release serves. */
function servedHead({ modelFile, training }: TrainerRequest): Float32Array | undefined {
  const head = readHead(readModel(readFileSync(join(config.folder, modelFile))), training);
  const base = createHash('sha256').update(encodeHead(head)).digest('hex');
  return base === training.base ? head : undefined;
}

async function answer(request: TrainerRequest, body: Uint8Array): Promise<[reply: TrainerReply, body?: Uint8Array]> {
  const { training } = request;
  const { rest, ...samples } = decodeBody(body, request.samples, training.features);
  const head = servedHead(request);
  if (head === undefined) {
    const words = `Expected the head ${training.base} in ${request.modelFile}, found another one. Publish the release anew.`;
    return [{ kind: 'failed', code: 'head-stale', words }];
  }
  if (request.kind === 'evaluate') {
    const candidate = applyUpdate(head, rest);
    return [
      {
        kind: 'evaluated',
        base: judgeHead(samples, head, training),
        candidate: judgeHead(samples, candidate, training),
      },
    ];
  }
  const next = await trainHead(samples, head, {
    stepFile: join(config.folder, training.step),
    shape: training,
    how: request.how,
    round: request.round,
    onStep: () => {
      // Nobody is left who could send what comes of it.
      if (process.ppid !== config.supervisor) process.exit(1);
    },
  });
  const { loss } = judgeHead(samples, next, training);
  return [{ kind: 'trained', loss }, encodeHead(updateBetween(head, next))];
}

try {
  const message = readMessage();
  // The only writer is the supervisor that started this very program; see the worker.
  if (message !== null) sayMessage(...(await answer(message.head as TrainerRequest, message.body)));
} catch (error) {
  const code = error instanceof DivergedError ? error.code : 'training-failed';
  const reply: TrainerReply = { kind: 'failed', code, words: error instanceof Error ? error.message : String(error) };
  sayMessage(reply);
}
process.exit();
