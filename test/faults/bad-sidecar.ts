import { Socket } from 'node:net';
import { MessageReader, writeMessage } from '../../apps/agent/src/inference/framing.ts';
import type { SidecarReply, SidecarRequest } from '../../apps/agent/src/inference/sidecar/sidecar-messages.ts';

// A sidecar whose model says `light` to each picture, and that goes wrong in the manner that its command line names; `fine`
// does not. It answers so many runs before: enough for a model to be loaded, for its suite, and for a few frames.

const [manner = 'fine', goodRuns = '0'] = process.argv.slice(2);
const LEAK_BYTES = 64 * 2 ** 20;
const socket = new Socket({ fd: 3, readable: true, writable: true });
const leaked: Buffer[] = [];
const SCORES = Buffer.from(Float32Array.of(-8, 8).buffer);
const output = { name: 'y', type: 'float32', shape: [1, 2] } as const;
let runs = 0;

const goWrong = (id: number): void => {
  if (manner === 'crashes') process.abort();
  if (manner === 'hangs') for (;;);
  if (manner === 'answers garbage') writeMessage(socket, { kind: 'ran', id, nonsense: true });
  if (manner === 'closes its socket') socket.destroy();
  // Written to, so that it is really there.
  if (manner === 'leaks') leaked.push(Buffer.alloc(LEAK_BYTES, 1));
};

const answer = (request: SidecarRequest): SidecarReply => {
  const { id } = request;
  if (request.kind === 'hello') {
    const about = { name: 'bad', runtime: 'tensorrt', version: '1', provider: 'gpu' } as const;
    return { kind: 'hello', id, protocol: 1, ...about, formats: ['onnx'] };
  }
  if (request.kind === 'load') {
    const input = { name: 'x', type: 'float32', shape: [1, 4] } as const;
    return {
      kind: 'loaded',
      id,
      effective: 'gpu',
      inputs: [{ ...input, shape: [...input.shape] }],
      outputs: [{ ...output, shape: [...output.shape] }],
    };
  }
  return { kind: 'pong', id };
};

const reader = new MessageReader(({ head }) => {
  const request = head as SidecarRequest;
  if (request.kind !== 'run') return void writeMessage(socket, answer(request));
  runs += 1;
  if (runs > Number(goodRuns)) goWrong(request.id);
  writeMessage(socket, { kind: 'ran', id: request.id, outputs: [output] }, SCORES);
});
socket.on('data', (chunk: Buffer) => reader.push(chunk));
// Where it has closed its socket itself it stays.
socket.on('end', () => process.exit());
if (manner === 'closes its socket') setInterval(() => undefined, 1_000);
