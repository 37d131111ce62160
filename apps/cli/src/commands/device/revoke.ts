import { AviaryCommand, nameArg, yesFlag } from '../../aviary-command.ts';

export default class DeviceRevoke extends AviaryCommand {
  static override summary = 'Refuse a device from now on';

  static override description =
    'Its certificate is refused at once and its connection ended; rollouts and rounds go on without it. What it has on its disk, it keeps. Only joining anew takes it back: aviary device enroll-token --device ID.';

  static override examples = ['<%= config.bin %> device revoke d-abc123 --yes'];

  static override args = { id: nameArg({ description: 'id of the device', required: true }) };

  static override flags = yesFlag;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DeviceRevoke);
    await this.confirm(`This refuses device ${args.id} until it joins anew. Go on?`, flags.yes);
    const { client } = await this.connect(flags);
    const device = await client.revokeDevice({ params: { id: args.id } });
    this.log(`${device.id}  revoked`);
  }
}
