import { SIMULATED_STATES, type SimulationCounts } from '@aviary/protocol';

/** How the fleet is, in one line. */
export const simulationLine = ({
  devices,
  joined,
  connected,
  converged,
  states,
  memoryMB,
}: SimulationCounts): string => {
  const each = SIMULATED_STATES.filter((state) => state !== 'joining' && (states[state] ?? 0) > 0);
  const inStates = each.map((state) => `${states[state]} ${state}`).join(', ');
  return `${joined}/${devices} joined, ${connected} connected, ${converged} converged${inStates === '' ? '' : `: ${inStates}`} (${memoryMB} MB)`;
};

/** The line on standard error: on a terminal always the newest, elsewhere each one that says something new, now and then. */
export class SimulationScreen {
  readonly #stream: NodeJS.WriteStream;
  readonly #everyMs: number;
  #last = '';
  #writtenAt = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream, everyMs = 5_000) {
    this.#stream = stream;
    this.#everyMs = everyMs;
  }

  show(counts: SimulationCounts): void {
    const line = simulationLine(counts);
    if (this.#stream.isTTY) {
      this.#stream.write(`\r\u001b[K${line.slice(0, this.#stream.columns - 1)}`);
      return;
    }
    const now = performance.now();
    if (line === this.#last || now - this.#writtenAt < this.#everyMs) return;
    this.#last = line;
    this.#writtenAt = now;
    this.#stream.write(`${line}\n`);
  }

  /** Something that stays, above the line. */
  say(words: string): void {
    this.#stream.write(this.#stream.isTTY ? `\r\u001b[K${words}\n` : `${words}\n`);
  }
}
