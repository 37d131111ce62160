import { Flags } from '@oclif/core';
import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';
import { DEVICE_ARG, findDevice } from '../../find-device.ts';
import { renderTable } from '../../render/table.ts';

export default class DeviceHistory extends AviaryCommand {
  static override summary = 'What happened to a device: joins, what it ran, rollouts, events, revocation; newest last';

  static override description =
    'An execution stands where it began, with how it ended. Of more than --limit entries the newest are shown, and how to see the older ones is said on standard error.';

  static override examples = [
    '<%= config.bin %> device history gate-3',
    '<%= config.bin %> device history d-abc123 --limit 500 -o json',
  ];

  static override args = { device: nameArg({ description: DEVICE_ARG, required: true }) };

  static override flags = {
    limit: Flags.integer({ description: 'how many entries at most', default: 50, min: 1, max: 500 }),
    cursor: Flags.string({ description: 'where the entries shown before went on, to older ones' }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DeviceHistory);
    const { client } = await this.connect(flags);
    const id = await findDevice(client, args.device);
    const cursor = flags.cursor === undefined ? {} : { cursor: flags.cursor };
    const page = await client.deviceHistory({ params: { id }, query: { limit: flags.limit, ...cursor } });
    const items = page.items.toReversed();
    this.print({ items, nextCursor: page.nextCursor }, flags.output, () =>
      renderTable(
        ['at', 'level', 'what', 'by', 'rollout', 'words'],
        items.map(({ at, level, kind, by, execution, words }) => [
          new Date(at).toISOString(),
          level,
          kind,
          by ?? '-',
          execution?.rolloutId.slice(0, 8) ?? '-',
          execution === null || execution.endedAt === null
            ? words
            : `${words}; ended ${new Date(execution.endedAt).toISOString()}`,
        ]),
      ),
    );
    if (page.nextCursor !== null && flags.output === 'table') {
      this.logToStderr(`There is more: aviary device history ${id} --limit ${flags.limit} --cursor ${page.nextCursor}`);
    }
  }
}
