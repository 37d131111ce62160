import type { LocalResult } from '../../apps/agent/src/local-api/result-stream.ts';
import { askMetrics, openResults } from '../../apps/agent/src/testing/local-client.ts';

/** Frames that an agent has counted since its start. */
export interface FrameCounts {
  readonly answered: number;
  readonly dropped: number;
  readonly errors: number;
}

/** An agent as a program on its board sees it: each answer of its model from now on, and its counts. */
export class WatchedAgent {
  /** In the order in which they came. */
  readonly results: LocalResult[] = [];
  /** Answers that came faster than they were read. */
  missed = 0;
  readonly #socket: string;
  readonly #stream: Awaited<ReturnType<typeof openResults>>;

  private constructor(socket: string, stream: Awaited<ReturnType<typeof openResults>>) {
    this.#socket = socket;
    this.#stream = stream;
    // Whoever closes it, or stops the agent, ends the reading.
    this.#read().catch(() => undefined);
  }

  /** @param socket of an agent that runs */
  static async open(socket: string): Promise<WatchedAgent> {
    return new WatchedAgent(socket, await openResults(socket));
  }

  async counts(): Promise<FrameCounts> {
    const { text } = await askMetrics(this.#socket);
    const sumOf = (name: string): number =>
      [...text.matchAll(new RegExp(`^aviary_agent_${name}_total\\{.*\\} (\\d+)$`, 'gm'))].reduce(
        (sum, [, value]) => sum + Number(value),
        0,
      );
    return { answered: sumOf('frames'), dropped: sumOf('frames_dropped'), errors: sumOf('frame_errors') };
  }

  close(): void {
    this.#stream.close();
  }

  async #read(): Promise<void> {
    for (let event = await this.#stream.next(); event !== undefined; event = await this.#stream.next()) {
      if (event.event === 'result') this.results.push(event.data as LocalResult);
      else if (event.event === 'dropped') this.missed += (event.data as { results: number }).results;
    }
  }
}
