import { once } from 'node:events';
import { createServer } from 'node:net';
import { Command, Flags } from '@oclif/core';

const listenOn = async (port: number): Promise<number | undefined> => {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  const listening = await Promise.race([
    once(server, 'listening').then(() => true),
    once(server, 'error').then(() => false),
  ]).catch(() => false);
  if (!listening) return undefined;
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : undefined;
};

/** The usual port when it is free, else any that is. */
const usualOrFree = async (port: number): Promise<number> => (await listenOn(port)) ?? (await listenOn(0)) ?? port;

export default class Demo extends Command {
  static override summary = 'Watch a model travel from a laptop to a fleet of six devices, and a bad one be taken back';

  static override description =
    'Starts a control plane and six agents on this machine, trains three releases of a digit reader, and rolls them out in waves. Leaves everything running until Ctrl-C; with --once it ends by itself.';

  static override examples = ['<%= config.bin %> demo', '<%= config.bin %> demo --once'];

  static override flags = {
    once: Flags.boolean({ description: 'end with the story; exit code 1 when a part of it did not happen' }),
    data: Flags.string({ description: 'where the demo keeps everything; emptied first', default: '.aviary-demo' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Demo);
    const { DemoStory } = await import('../demo/story.ts');
    const story = new DemoStory({
      directory: flags.data,
      httpPort: await usualOrFree(8080),
      devicePort: await usualOrFree(8443),
      mqttPort: await usualOrFree(8883),
    });
    const interrupted = new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
    const told = story.tell();
    const summary = await Promise.race([told, interrupted]);
    if (summary !== undefined && !flags.once) {
      this.logToStderr(`\nEverything goes on at ${story.address}. In another terminal, for example:`);
      this.logToStderr(`  AVIARY_SERVER=${story.address} AVIARY_DATA=${flags.data} npx aviary device list`);
      this.logToStderr('Stop it with Ctrl-C.');
      await interrupted;
    }
    await story.stop();
    if (summary === undefined) this.exit(130);
    this.log(JSON.stringify(summary));
    this.exit(summary.ok ? 0 : 1);
  }
}
