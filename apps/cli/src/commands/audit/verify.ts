import { verifyChain } from '../../access/audit-chain.ts';
import { AviaryCommand, outputFlag } from '../../aviary-command.ts';

const PAGE = 1000;

export default class AuditVerify extends AviaryCommand {
  static override summary = 'Recompute the hash chain of all changes; ends with 1 where it does not hold';

  static override description =
    'Each entry carries the hash of the one before it, so that none can be changed, left out or put in later. Whoever could rewrite the whole chain could make it hold again: note the hash of the last entry somewhere else, and compare.';

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(AuditVerify);
    const { client } = await this.connect(flags);
    const { entries, head, broken } = await verifyChain((after) => client.listAudit({ query: { after, limit: PAGE } }));
    this.print({ ok: broken === null, entries, head, broken }, flags.output, () => {
      if (broken !== null)
        return `The chain breaks at entry ${broken.seq}: ${broken.problem}. ${entries} entries before it hold.`;
      return entries === 0 ? 'There is no entry yet.' : `${entries} entries hold. The last one has the hash ${head}`;
    });
    if (broken !== null) this.exit(1);
  }
}
