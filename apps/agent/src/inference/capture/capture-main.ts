import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeMessage } from '../framing.ts';
import { type CaptureMessage, captureConfigSchema } from './capture-messages.ts';
import { PictureDirectory } from './picture-directory.ts';

// The program of a capture process: gives pictures of a directory at a steady pace, until stdin closes.

/** Between two looks at a directory that is missing or empty. */
const RETRY_MS = 1000;

const config = captureConfigSchema.parse(JSON.parse(process.argv[2] ?? 'null'));
process.on('SIGINT', () => {});
process.stdin.resume();
process.stdin.on('close', () => process.exit());
// The supervisor is gone: there is nobody left to tell.
process.stdout.on('error', () => process.exit());

async function say(message: CaptureMessage, body?: Uint8Array): Promise<void> {
  if (!writeMessage(process.stdout, message, body)) await once(process.stdout, 'drain');
}

const directory = new PictureDirectory(config.path);
const period = 1000 / config.fps;
let due = performance.now();
let state = '';

for (;;) {
  const look = await directory.next();
  const words = look.kind === 'nothing' ? look.words : `pictures come from ${config.path}`;
  if (words !== state) {
    state = words;
    await say({ kind: 'state', flowing: look.kind !== 'nothing', words });
  }
  if (look.kind === 'picture') {
    const { file, truth } = look;
    await say({ kind: 'frame', file, ...(truth === undefined ? {} : { truth }) }, look.bytes);
  } else if (look.kind === 'unreadable') {
    await say({ kind: 'unreadable', file: look.file, words: look.words });
  }
  // Paced by a schedule and not by pauses, so that slow reads do not slow the rate; after a long one it starts afresh.
  due = Math.max(due + (look.kind === 'nothing' ? RETRY_MS : period), performance.now() - period);
  await sleep(Math.max(0, due - performance.now()));
}
