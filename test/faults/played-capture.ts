import type { CaptureMessage } from '../../apps/agent/src/inference/capture/capture-messages.ts';
import { writeMessage } from '../../apps/agent/src/inference/framing.ts';

// Stands for a capture where hundreds are started: a frame of one byte, again and again, until stdin closes.

const { fps }: { readonly fps: number } = JSON.parse(process.argv[2] ?? 'null');
process.stdin.resume();
process.stdin.on('close', () => process.exit());
process.stdout.on('error', () => process.exit());
const say = (message: CaptureMessage, body?: Uint8Array): unknown => writeMessage(process.stdout, message, body);
say({ kind: 'state', flowing: true, words: 'frames are played' });
setInterval(() => say({ kind: 'frame', file: 'played' }, Uint8Array.of(0)), 1000 / fps);
