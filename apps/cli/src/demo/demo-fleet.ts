import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { exampleFacts } from '@aviary/hardware';
import type { DeviceDetail } from '@aviary/protocol';
import type { AdminClient } from '../connection.ts';
import { programOf, runToEnd, StayingProcess } from './child-process.ts';
import { type DigitSets, loadDigits } from './training/digits.ts';
import { writeFieldPictures } from './training/field-pictures.ts';

/** Pictures that each device looks at, over and over; all of them held out from every training. */
export const PICTURES_PER_DEVICE = 300;
const FRAMES_PER_SECOND = 16;
const TELEMETRY_SECONDS = 2;
const TOKEN_SECONDS = 600;
const WAIT_MS = 30_000;

/** Six boards of four kinds in three places. */
export const BOARDS = [
  { name: 'lyon-door', site: 'lyon', board: 'rpi4' },
  { name: 'lyon-cellar', site: 'lyon', board: 'rpi5' },
  { name: 'turin-hall', site: 'turin', board: 'rpi5' },
  { name: 'turin-line', site: 'turin', board: 'jetson-orin-nano' },
  { name: 'porto-pump', site: 'porto', board: 'rpi4' },
  { name: 'porto-office', site: 'porto', board: 'x86-64' },
] as const;

/** The demo's devices: real agent processes that believe to be on those boards, each with its own pictures. */
export class DemoFleet {
  readonly #directory: string;
  readonly #client: AdminClient;
  readonly #agents: StayingProcess[] = [];

  constructor(directory: string, client: AdminClient) {
    this.#directory = directory;
    this.#client = client;
  }

  /** Writes the pictures, joins every device with a token of its own, and starts it. */
  async start(signal: AbortSignal): Promise<void> {
    const digits = await loadDigits();
    // All are waited for, also when one fails or the story is cut off: a device that started late would stay.
    const starts = await Promise.allSettled(BOARDS.map((_, index) => this.#startDevice(index, digits, signal)));
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
  }

  /** Waits for every device to be as it should. @returns whether all are, in time */
  async waitForAll(right: (device: DeviceDetail) => boolean, signal: AbortSignal): Promise<boolean> {
    for (const deadline = Date.now() + WAIT_MS; ; await pause(250, undefined, { signal })) {
      const { items } = await this.#client.listDevices({});
      const devices = await Promise.all(items.map(({ id }) => this.#client.showDevice({ params: { id } })));
      if (devices.length === BOARDS.length && devices.every(right)) return true;
      if (Date.now() > deadline) return false;
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.stop()));
  }

  async #startDevice(index: number, digits: DigitSets, signal: AbortSignal): Promise<void> {
    const device = BOARDS[index];
    if (device === undefined) throw new RangeError(`Expected one of ${BOARDS.length} devices, got number ${index}.`);
    const { name, site, board } = device;
    const home = join(this.#directory, name);
    const pictures = join(home, 'pictures');
    const facts = join(home, 'board.json');
    await mkdir(home, { recursive: true });
    await writeFile(facts, JSON.stringify(exampleFacts(board)));
    await writeFieldPictures(pictures, digits, { device: index, devices: BOARDS.length, count: PICTURES_PER_DEVICE });
    const { token } = await this.#client.createJoinToken({ body: { ttlSeconds: TOKEN_SECONDS, labels: { site } } });
    const program = programOf('@aviary/agent');
    const state = ['--state-dir', join(home, 'state'), '--facts', facts];
    await runToEnd(program, ['join', ...state, '--token', token, '--name', name], {}, signal);
    const source = ['--source', `dir:${pictures}`, '--fps', String(FRAMES_PER_SECOND)];
    const args = ['run', ...state, ...source, '--telemetry-seconds', String(TELEMETRY_SECONDS)];
    signal.throwIfAborted();
    this.#agents.push(new StayingProcess(name, program, args, join(home, 'agent.log')));
  }
}
