import { AviaryCommand, outputFlag } from '../../aviary-command.ts';
import { renderAge, renderTable } from '../../render/table.ts';

export default class DevicePending extends AviaryCommand {
  static override summary = 'Boards that wait for approval';

  static override description =
    'Name and profile are what a board says of itself, unproved; its fingerprint is proved. Compare it with what the board shows.';

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(DevicePending);
    const { client } = await this.connect(flags);
    const { items, deviceUrl, caFingerprint } = await client.listJoiningKeys({});
    const pending = items.filter(({ state }) => state === 'PENDING');
    if (pending.length === 0) {
      this.logToStderr(
        `No board waits. To let one ask: aviary-agent join --server ${deviceUrl} --ca-fingerprint ${caFingerprint}`,
      );
    }
    const now = Date.now();
    const rows = pending.map((key) => [
      key.fingerprint,
      key.name ?? '-',
      key.profile ?? '-',
      key.address ?? '-',
      renderAge(key.askedAt, now),
    ]);
    this.print(pending, flags.output, () => renderTable(['fingerprint', 'name', 'profile', 'from', 'asked'], rows));
  }
}
