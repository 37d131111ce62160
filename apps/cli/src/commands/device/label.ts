import { AviaryCommand, nameArg } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import { renderLabels } from '../../render/table.ts';

export default class DeviceLabel extends AviaryCommand {
  static override summary = 'Set labels of a device (key=value), or remove them (key-)';

  static override examples = ['<%= config.bin %> device label d-abc123 site=lyon floor-'];

  static override strict = false;

  static override args = { id: nameArg({ description: 'id of the device', required: true }) };

  async run(): Promise<void> {
    const { args, argv, flags } = await this.parse(DeviceLabel);
    const changes = (argv as string[]).slice(1);
    if (changes.length === 0) throw new UsageError('Expected at least one of key=value and key-.');
    const labels = Object.fromEntries(
      changes.map((change) => {
        if (change.endsWith('-') && !change.includes('=')) return [change.slice(0, -1), null];
        const at = change.indexOf('=');
        if (at <= 0) throw new UsageError(`Expected key=value to set a label or key- to remove it, got "${change}".`);
        return [change.slice(0, at), change.slice(at + 1)];
      }),
    );
    const { client } = await this.connect(flags);
    const device = await client.labelDevice({ params: { id: args.id }, body: { labels } });
    this.log(`${device.id}  ${renderLabels(device.labels)}`);
  }
}
