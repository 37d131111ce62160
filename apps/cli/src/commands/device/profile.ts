import type { RequestedProfile } from '@aviary/protocol';
import { MOST_PROFILED_FRAMES } from '@aviary/protocol';
import { Flags } from '@oclif/core';
import { AviaryCommand, durationFlag, nameArg, outputFlag } from '../../aviary-command.ts';
import type { AdminClient } from '../../connection.ts';
import { DEVICE_ARG, findDevice } from '../../find-device.ts';
import { follow } from '../../follower.ts';
import { renderOperatorProfile } from '../../render/operator-table.ts';
import { EXIT } from '../../watch.ts';

/** The device answers after its request has expired, too, when it had begun. */
const GRACE_SECONDS = 1;

export default class DeviceProfile extends AviaryCommand {
  static override summary = 'What each operator of the release that serves costs a device';

  static override description =
    'The device loads the release once more beside the one that serves, runs pictures of its acceptance suite through it, and sends what ONNX Runtime has measured. What serves goes on, a little slower meanwhile. A device that is offline does it when it comes back, unless the request has expired by then. Ends with 1 when the device refuses, with 124 when it has not answered in time.';

  static override examples = [
    '<%= config.bin %> device profile gate-3',
    '<%= config.bin %> device profile gate-3 --frames 50 --expires 12h --no-wait',
    '<%= config.bin %> device profile gate-3 --last -o json',
  ];

  static override args = { device: nameArg({ description: DEVICE_ARG, required: true }) };

  static override flags = {
    frames: Flags.integer({
      description: 'how many pictures it runs',
      default: 20,
      min: 1,
      max: MOST_PROFILED_FRAMES,
      exclusive: ['last'],
    }),
    expires: durationFlag({
      description: 'how long the device may take to begin with it, 30s to 7d',
      default: 600,
      defaultHelp: async () => '10m',
      exclusive: ['last'],
    }),
    wait: Flags.boolean({ description: 'wait for the answer', default: true, allowNo: true, exclusive: ['last'] }),
    last: Flags.boolean({ description: 'ask for nothing; show what came of the newest request' }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DeviceProfile);
    const { client } = await this.connect(flags);
    const id = await findDevice(client, args.device);
    const requested = flags.last ? await this.#newest(client, id) : await this.#ask(client, id, flags);
    this.print(requested, flags.output, () => renderOperatorProfile(requested, Date.now()));
    if (requested.state === 'REFUSED') this.exit(EXIT.failed);
    if (requested.state === 'EXPIRED') this.exit(EXIT.timedOut);
  }

  async #newest(client: AdminClient, id: string): Promise<RequestedProfile> {
    const [newest] = (await client.listOperatorProfiles({ params: { id } })).items;
    if (newest !== undefined) return newest;
    throw new Error(`${id} has not been asked for a profile yet. Ask it: aviary device profile ${id}`);
  }

  async #ask(
    client: AdminClient,
    id: string,
    flags: { readonly frames: number; readonly expires: number; readonly wait: boolean },
  ): Promise<RequestedProfile> {
    const { presence } = await client.showDevice({ params: { id } });
    const asked = await client.requestOperatorProfile({
      params: { id },
      body: { frames: flags.frames, expiresInSeconds: flags.expires },
    });
    const until = new Date(asked.expiresAt).toISOString();
    const later = `Look later: aviary device profile ${id} --last`;
    if (presence === 'offline') this.logToStderr(`${id} is offline. It is asked when it comes back, until ${until}.`);
    if (!flags.wait) {
      this.logToStderr(later);
      return asked;
    }
    this.logToStderr(`Waiting for ${id}, until ${until}. ${later}`);
    const look = async () => {
      const { items } = await client.listOperatorProfiles({ params: { id } });
      return items.find((one) => one.id === asked.id);
    };
    for await (const now of follow(look, { timeoutSeconds: flags.expires + GRACE_SECONDS })) {
      if (now !== undefined && now.state !== 'WAITING') return now;
    }
    return { ...asked, state: 'EXPIRED' };
  }
}
