import { AviaryCommand, outputFlag, selectorFlag } from '../../aviary-command.ts';
import { everyItem } from '../../connection.ts';
import { renderAge, renderLabels, renderTable } from '../../render/table.ts';

const PAGE = 500;

export default class DeviceList extends AviaryCommand {
  static override summary = 'Devices, what they are, and what they run';

  static override examples = [
    '<%= config.bin %> device list',
    "<%= config.bin %> device list -l 'profile in (rpi4, rpi5) and site != lab'",
  ];

  static override flags = { selector: selectorFlag(), output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(DeviceList);
    const { client } = await this.connect(flags);
    const selector = flags.selector === undefined ? {} : { selector: flags.selector };
    const devices = await everyItem((cursor) => client.listDevices({ query: { limit: PAGE, ...selector, ...cursor } }));
    const rows = devices.map((device) => [
      device.id,
      device.name,
      device.profile ?? '-',
      device.revokedAt === null ? device.presence : 'revoked',
      device.running?.release ?? '-',
      device.assigned ?? '-',
      renderAge(device.lastSeenAt, Date.now()),
      renderLabels(device.labels),
    ]);
    const header = ['id', 'name', 'profile', 'presence', 'running', 'assigned', 'seen', 'labels'];
    this.print(devices, flags.output, () => renderTable(header, rows));
  }
}
