import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import type { adminRoutes, Client } from '@aviary/protocol';
import { programOf, runToEnd, StayingProcess } from './child-process.ts';
import { loadDigits } from './training/digits.ts';
import { writeFieldPictures } from './training/field-pictures.ts';

/** Pictures that each device looks at, over and over; all of them held out from every training. */
const PICTURES_PER_DEVICE = 300;
const FRAMES_PER_SECOND = 16;
const TELEMETRY_SECONDS = 2;

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
  readonly agents: StayingProcess[] = [];

  constructor(
    private readonly directory: string,
    private readonly client: Client<typeof adminRoutes>,
  ) {}

  /** Writes the pictures, joins every device with a token of its own, and starts it. */
  async start(): Promise<void> {
    const program = programOf('@aviary/agent');
    const digits = await loadDigits();
    await Promise.all(
      BOARDS.map(async ({ name, site, board }, index) => {
        const home = join(this.directory, name);
        const pictures = join(home, 'pictures');
        await mkdir(home, { recursive: true });
        const facts = join(home, 'board.json');
        await writeFile(facts, JSON.stringify(exampleFacts(board)));
        await writeFieldPictures(pictures, digits, {
          device: index,
          devices: BOARDS.length,
          count: PICTURES_PER_DEVICE,
        });
        const { token } = await this.client.createJoinToken({ body: { ttlSeconds: 600, labels: { site } } });
        const state = ['--state-dir', join(home, 'state'), '--facts', facts];
        await runToEnd(program, ['join', ...state, '--token', token, '--name', name]);
        const source = ['--source', `dir:${pictures}`, '--fps', String(FRAMES_PER_SECOND)];
        const args = ['run', ...state, ...source, '--telemetry-seconds', String(TELEMETRY_SECONDS)];
        this.agents.push(new StayingProcess(name, program, args, join(home, 'agent.log')));
      }),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.agents.map((agent) => agent.stop()));
  }
}
