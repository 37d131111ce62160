import { AviaryCommand, outputFlag } from '../../aviary-command.ts';
import { printable, renderTable } from '../../render/table.ts';

const DAY_MS = 86_400_000;

export default class KeyList extends AviaryCommand {
  static override summary = 'Whose keys count for what, and until when';

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(KeyList);
    const { client } = await this.connect(flags);
    const trust = await client.showTrust({});
    this.print(trust, flags.output, () => {
      const rows = trust.roles.flatMap(({ role, threshold, keys, version, expiresAt }) =>
        keys.map(({ name, keyId }) => [
          role,
          printable(name),
          keyId.slice(0, 16),
          `${threshold} of ${keys.length}`,
          `version ${version}, ${Math.floor((expiresAt - Date.now()) / DAY_MS)} d left`,
        ]),
      );
      const directors = trust.directors.map(({ name, keyId }) => [
        'director',
        printable(name),
        keyId.slice(0, 16),
        '',
        '',
      ]);
      const listed = new Set([...rows, ...directors].map((row) => row[2]));
      const spare = trust.onlineKeys
        .filter(({ keyId }) => !listed.has(keyId.slice(0, 16)))
        .map(({ role, keyId }) => [role, 'control plane', keyId.slice(0, 16), '', 'not signed for yet']);
      const table = renderTable(['role', 'name', 'key', 'needed', 'metadata'], [...rows, ...directors, ...spare]);
      if (trust.roles.length === 0) return `The image repository was not founded yet: aviary key init\n${table}`;
      if (trust.proposal === null) return table;
      const { root, targets } = trust.proposal.missing;
      return `${table}\nA change waits for ${root} signatures of root and ${targets} of targets keys: aviary root sign, aviary model sign`;
    });
  }
}
