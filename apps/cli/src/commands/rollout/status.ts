import { Flags } from '@oclif/core';
import { AviaryCommand, nameArg, outputFlag, secondsFlag } from '../../aviary-command.ts';
import { everyItem } from '../../connection.ts';
import { findRollout } from '../../find-rollout.ts';
import { rolloutPicture } from '../../render/rollout-picture.ts';
import { shadowCell } from '../../render/shadow-words.ts';
import { renderTable } from '../../render/table.ts';
import { watchRollout } from '../../rollout-watch.ts';

const COLUMNS = ['device', 'profile', 'wave', 'state', 'variant'];

export default class RolloutStatus extends AviaryCommand {
  static override summary = 'How a rollout goes: its waves, gates and devices';

  static override description =
    'With --watch it stays until the rollout ends or pauses. Exit codes then: 0 finished, 1 stopped or rolled back, 3 paused, 124 time-out.';

  static override examples = ['<%= config.bin %> rollout status last', '<%= config.bin %> rollout status last --watch'];

  static override args = {
    id: nameArg({ description: 'its id, the beginning of it, or "last"', default: 'last' }),
  };

  static override flags = {
    watch: Flags.boolean({ char: 'w', description: 'stay until it ends or pauses' }),
    timeout: secondsFlag({ description: 'seconds to stay at most', default: 86_400 }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RolloutStatus);
    const { client } = await this.connect(flags);
    const id = await findRollout(client, args.id);
    if (flags.watch) this.exit(await watchRollout(client, id, { timeoutSeconds: flags.timeout }, process.stdout));
    const rollout = await client.showRollout({ params: { id } });
    const items = await everyItem((cursor) =>
      client.listExecutions({ params: { id }, query: { limit: 500, ...cursor } }),
    );
    const isShadowed = items.some(({ shadow }) => shadow !== null);
    const rows = items.map((execution) => [
      execution.deviceName,
      execution.profile ?? '-',
      execution.wave === null ? execution.kind : String(execution.wave + 1),
      execution.diverged ? `${execution.state}, diverged` : execution.state,
      execution.variant ?? '-',
      ...(isShadowed ? [shadowCell(execution.shadow)] : []),
      execution.reason ?? '',
    ]);
    this.print({ ...rollout, executions: items }, flags.output, () =>
      [
        ...rolloutPicture(rollout),
        ...(rows.length === 0
          ? []
          : ['', renderTable([...COLUMNS, ...(isShadowed ? ['shadow'] : []), 'reason'], rows)]),
      ].join('\n'),
    );
  }
}
