import { AviaryCommand, numberFlag, outputFlag } from '../../aviary-command.ts';
import { renderTable } from '../../render/table.ts';

const LONGEST = 60;

const shorten = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);

export default class AuditList extends AviaryCommand {
  static override summary = 'Who changed what, newest first';

  static override flags = {
    after: numberFlag({ description: 'only entries after this one, oldest first' }),
    limit: numberFlag({ description: 'how many at most, up to 1000', default: 50 }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(AuditList);
    const { client } = await this.connect(flags);
    const after = flags.after === undefined ? {} : { after: flags.after };
    const { items } = await client.listAudit({ query: { ...after, limit: flags.limit } });
    const rows = items.map(({ seq, at, actor, via, action, target, detail }) => [
      String(seq),
      new Date(at).toISOString(),
      actor,
      via,
      action,
      target,
      shorten(JSON.stringify(detail)),
    ]);
    this.print(items, flags.output, () =>
      renderTable(['seq', 'at', 'actor', 'via', 'action', 'target', 'detail'], rows),
    );
  }
}
