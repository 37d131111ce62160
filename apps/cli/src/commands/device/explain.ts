import { Args } from '@oclif/core';
import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';
import { DEVICE_ARG, findDevice } from '../../find-device.ts';
import { renderChoice } from '../../render/choice-table.ts';
import { printable } from '../../render/table.ts';

export default class DeviceExplain extends AviaryCommand {
  static override summary = 'Which variant of a release a device gets, and why not the others';

  static override examples = ['<%= config.bin %> device explain gate-3 meter-reader@1.1.0'];

  static override args = {
    device: nameArg({ description: DEVICE_ARG, required: true }),
    release: Args.string({ description: 'model@version; without it, what it is assigned, else what it runs' }),
  };

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DeviceExplain);
    const { client } = await this.connect(flags);
    const id = await findDevice(client, args.device);
    const device = await client.showDevice({ params: { id } });
    const choice =
      args.release === undefined ? device.choice : await client.deviceChoice({ params: { id, release: args.release } });
    if (choice === null) {
      throw new Error(
        `${id} is assigned nothing and runs nothing; name a release: aviary device explain ${id} RELEASE`,
      );
    }
    this.print(choice, flags.output, () =>
      [
        `${id} gets ${choice.variant ?? 'no variant'} of ${choice.release}`,
        `profile   ${choice.profile ?? 'none'}`,
        ...device.profileReasons.map((reason) => `          ${reason}`),
        `installed ${device.facts.runtimes.map(({ name, version, usable }) => `${name} ${version}${usable === false ? ' (not used by its agent)' : ''}`).join(', ') || 'nothing that runs models'}`,
      ]
        .map(printable)
        .concat('', choice.considered.length === 0 ? choice.words.map(printable) : renderChoice(choice))
        .join('\n'),
    );
  }
}
