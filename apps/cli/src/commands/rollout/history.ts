import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';
import { findRollout } from '../../find-rollout.ts';
import { rolloutStory } from '../../render/rollout-story.ts';
import { renderTable } from '../../render/table.ts';

export default class RolloutHistory extends AviaryCommand {
  static override summary = 'The whole story of a rollout: who did what, how its waves went, what the gates said';

  static override examples = [
    '<%= config.bin %> rollout history last',
    '<%= config.bin %> rollout history last -o yaml',
  ];

  static override args = {
    id: nameArg({ description: 'its id, the beginning of it, or "last"', default: 'last' }),
  };

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RolloutHistory);
    const { client } = await this.connect(flags);
    const rollout = await client.showRollout({ params: { id: await findRollout(client, args.id) } });
    const story = rolloutStory(rollout);
    const { id, release, target, state } = rollout;
    this.print({ id, release, target, state, story }, flags.output, () =>
      renderTable(
        ['at', 'by', 'what'],
        story.map(({ at, by, what }) => [new Date(at).toISOString(), by ?? '-', what]),
      ),
    );
  }
}
