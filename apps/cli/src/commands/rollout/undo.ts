import { yesFlag } from '../../aviary-command.ts';
import { RolloutActionCommand, rolloutIdArg } from '../../rollout-action.ts';

export default class RolloutUndo extends RolloutActionCommand {
  static override summary = 'Bring every device of a rollout back to what it had before';

  static override args = rolloutIdArg;

  static override flags = yesFlag;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RolloutUndo);
    await this.confirm('This brings every device of the rollout back to its release before. Go on?', flags.yes);
    await this.act(args.id, 'undo', flags);
  }
}
