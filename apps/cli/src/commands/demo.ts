import { Command, Flags } from '@oclif/core';
import type { DemoSummary } from '../demo/expectations.ts';

const USUAL_PORTS = [8080, 8443, 8883] as const;
const INTERRUPTED = 130;

export default class Demo extends Command {
  static override summary =
    'Watch a model travel from a laptop to a fleet, a bad one be taken back, and the fleet improve it';

  static override description =
    'Starts a control plane and six agents on this machine, trains three releases of a digit reader, rolls them out in waves, and lets the devices improve one together when the light fails. Leaves everything running until Ctrl-C; with --once it ends by itself. A port of 8080, 8443 and 8883 that is in use is replaced by one that is free.';

  static override examples = ['<%= config.bin %> demo', '<%= config.bin %> demo --once'];

  static override flags = {
    once: Flags.boolean({ description: 'end with the story; exit code 1 when a part of it did not happen' }),
    seed: Flags.integer({ description: 'another number mixes the digits in another way', default: 1, min: 1 }),
    data: Flags.string({ description: 'where the demo keeps everything; emptied first', default: '.aviary-demo' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Demo);
    const [{ DemoStory }, { freePorts }] = await Promise.all([
      import('../demo/story.ts'),
      import('../demo/loopback-ports.ts'),
    ]);
    const interruption = new AbortController();
    const interrupted = new Promise<void>((resolve) => {
      interruption.signal.addEventListener('abort', () => resolve());
    });
    const stopAll = () => {
      if (!interruption.signal.aborted) this.logToStderr('\nStopping the devices and the control plane …');
      interruption.abort();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stopAll);
    const ports = await freePorts(USUAL_PORTS);
    USUAL_PORTS.forEach((usual, index) => {
      if (ports[index] !== usual) this.logToStderr(`Port ${usual} is in use; the demo takes ${ports[index]} instead.`);
    });
    const [http = 0, device = 0, mqtt = 0] = ports;
    const story = new DemoStory({
      directory: flags.data,
      ports: { http, device, mqtt },
      seed: flags.seed,
      signal: interruption.signal,
    });
    const summary = await story.tell();
    const told = !interruption.signal.aborted;
    if (told) this.#tellSummary(summary);
    if (told && summary.error === undefined && !flags.once) {
      this.logToStderr(
        `\nEverything goes on at ${story.address}, with the account told above. In another terminal, for example:`,
      );
      this.logToStderr(`  AVIARY_SERVER=${story.address} AVIARY_DATA=${flags.data} npx aviary device list`);
      this.logToStderr('Stop it with Ctrl-C.');
      await interrupted;
    }
    await story.stop();
    if (!told) this.exit(INTERRUPTED);
    this.log(JSON.stringify(summary));
    this.exit(summary.ok ? 0 : 1);
  }

  #tellSummary({ ok, seconds, expectations, error }: DemoSummary): void {
    const parts = Object.entries(expectations);
    const missing = parts.filter(([, happened]) => !happened).map(([part]) => part.replaceAll('-', ' '));
    if (ok) this.logToStderr(`\nAll ${parts.length} parts of the story happened, in ${seconds} s.`);
    else if (error !== undefined) this.logToStderr(`\nThe story broke off after ${seconds} s.`);
    else this.logToStderr(`\n${missing.length} of ${parts.length} parts did not happen: ${missing.join(', ')}.`);
  }
}
