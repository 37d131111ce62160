import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { exampleFacts } from '@aviary/hardware';
import type { DeviceDetail } from '@aviary/protocol';
import type { AdminClient } from '../connection.ts';
import { programOf, runToEnd, StayingProcess } from './child-process.ts';
import { type DigitSets, loadDigits } from './training/digits.ts';
import { type FieldPictures, writeFieldPictures } from './training/field-pictures.ts';

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
export type Site = (typeof BOARDS)[number]['site'];

/** The demo's devices: real agent processes that believe to be on those boards, each with its own pictures. */
export class DemoFleet {
  readonly #directory: string;
  readonly #client: AdminClient;
  /** Of the digits that the devices see. */
  readonly #seed: number;
  readonly #agents: StayingProcess[] = [];
  #digits: DigitSets | undefined;
  /** Where the agents listen: the path of a socket has to be short. */
  #sockets: string | undefined;
  #scenes = 0;

  constructor(directory: string, client: AdminClient, seed: number) {
    this.#seed = seed;
    this.#directory = directory;
    this.#client = client;
  }

  /** Writes the pictures, joins every device with a token of its own, and starts it. */
  async start(signal: AbortSignal): Promise<void> {
    this.#sockets = await mkdtemp(join(tmpdir(), 'aviary-demo-'));
    await Promise.all(BOARDS.map(({ name }) => mkdir(this.#homeOf(name), { recursive: true })));
    await this.show(() => ({ light: 'lit', range: [0, PICTURES_PER_DEVICE] }));
    // All are waited for, also when one fails or the story is cut off: a device that started late would stay.
    const starts = await Promise.allSettled(BOARDS.map((device) => this.#startDevice(device, signal)));
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
  }

  /** Puts other pictures before the devices' cameras, at once. @param scene undefined: this site stays as it is */
  async show(scene: (site: Site) => Pick<FieldPictures, 'light' | 'range'> | undefined): Promise<void> {
    this.#digits ??= await loadDigits(this.#seed);
    const digits = this.#digits;
    this.#scenes += 1;
    const name = `scene-${this.#scenes}`;
    await Promise.all(
      BOARDS.map(async (board, device) => {
        const seen = scene(board.site);
        if (seen === undefined) return;
        const home = this.#homeOf(board.name);
        const place = { device, devices: BOARDS.length, perDevice: PICTURES_PER_DEVICE, prefix: `${name}-` };
        await writeFieldPictures(join(home, name), digits, { ...place, ...seen });
        await symlink(name, join(home, 'pictures.next'));
        await rename(join(home, 'pictures.next'), join(home, 'pictures'));
      }),
    );
  }

  /** The right answers to what a device sees now, by file. */
  async answersFor(name: string): Promise<ReadonlyMap<string, string>> {
    const [, ...lines] = (await readFile(join(this.#homeOf(name), 'pictures', 'labels.csv'), 'utf8'))
      .trim()
      .split('\n');
    return new Map(
      lines.map((line) => {
        const [file = '', label = ''] = line.split(',');
        return [file, label];
      }),
    );
  }

  /** Where the agent of a device listens to applications on its board. */
  socketOf(name: string): string {
    if (this.#sockets === undefined) throw new Error('The devices of the demo were not started.');
    return join(this.#sockets, `${name}.sock`);
  }

  /** Waits for every device to be as it should. @returns whether all are, in time */
  async waitForAll(right: (device: DeviceDetail) => boolean, signal: AbortSignal): Promise<boolean> {
    for (const deadline = Date.now() + WAIT_MS; ; await pause(250, undefined, { signal })) {
      const devices = await this.devices();
      if (devices.length === BOARDS.length && devices.every(right)) return true;
      if (Date.now() > deadline) return false;
    }
  }

  /** All that the control plane knows of each device. */
  async devices(): Promise<DeviceDetail[]> {
    const { items } = await this.#client.listDevices({});
    return Promise.all(items.map(({ id }) => this.#client.showDevice({ params: { id } })));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.stop()));
    if (this.#sockets !== undefined) await rm(this.#sockets, { recursive: true, force: true });
  }

  #homeOf(name: string): string {
    return resolve(this.#directory, name);
  }

  async #startDevice({ name, site, board }: (typeof BOARDS)[number], signal: AbortSignal): Promise<void> {
    const home = this.#homeOf(name);
    const facts = join(home, 'board.json');
    await writeFile(facts, JSON.stringify(exampleFacts(board)));
    const { token } = await this.#client.createJoinToken({ body: { ttlSeconds: TOKEN_SECONDS, labels: { site } } });
    const program = programOf('@aviary/agent');
    const state = ['--state-dir', join(home, 'state'), '--facts', facts];
    await runToEnd(program, ['join', ...state, '--token', token, '--name', name], {}, signal);
    const source = ['--source', `dir:${join(home, 'pictures')}`, '--fps', String(FRAMES_PER_SECOND)];
    const learning = ['--learn', '--socket', this.socketOf(name)];
    const args = ['run', ...state, ...source, ...learning, '--telemetry-seconds', String(TELEMETRY_SECONDS)];
    signal.throwIfAborted();
    this.#agents.push(new StayingProcess(name, program, args, join(home, 'agent.log')));
  }
}
