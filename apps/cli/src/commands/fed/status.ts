import { Flags } from '@oclif/core';
import { AviaryCommand, nameArg, outputFlag, secondsFlag } from '../../aviary-command.ts';
import { findRound } from '../../find-round.ts';
import { roundPicture } from '../../render/round-picture.ts';
import { renderTable } from '../../render/table.ts';
import { watchRound } from '../../round-watch.ts';

export default class FedStatus extends AviaryCommand {
  static override summary = 'How a federated round goes: its devices, its sum, and how the result was judged';

  static override description =
    'With --watch it stays until the round ends. Exit codes then: 0 committed, 1 abandoned, 124 time-out.';

  static override examples = ['<%= config.bin %> fed status last', '<%= config.bin %> fed status last --watch'];

  static override args = {
    round: nameArg({ description: 'its id, the beginning of it, or "last"', default: 'last' }),
  };

  static override flags = {
    watch: Flags.boolean({ char: 'w', description: 'stay until it ends' }),
    timeout: secondsFlag({ description: 'seconds to stay at most', default: 86_400 }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(FedStatus);
    const { client } = await this.connect(flags);
    const id = await findRound(client, args.round);
    if (flags.watch) this.exit(await watchRound(client, id, { timeoutSeconds: flags.timeout }, process.stdout));
    const round = await client.showRound({ params: { id } });
    const rows = round.participants.map((participant) => [
      participant.deviceName,
      participant.part,
      participant.state,
      participant.samples === null ? '-' : String(participant.samples),
      participant.loss === null ? '-' : participant.loss.toFixed(3),
      participant.norm === null ? '-' : participant.norm.toPrecision(3),
      participant.reason ?? '',
    ]);
    this.print(round, flags.output, () =>
      [
        ...roundPicture(round, Date.now()),
        ...(rows.length === 0
          ? []
          : ['', renderTable(['device', 'part', 'state', 'samples', 'loss', 'length', 'reason'], rows)]),
      ].join('\n'),
    );
  }
}
