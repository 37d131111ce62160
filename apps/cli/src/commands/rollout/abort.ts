import { yesFlag } from '../../aviary-command.ts';
import { RolloutActionCommand, rolloutIdArg } from '../../rollout-action.ts';

export default class RolloutAbort extends RolloutActionCommand {
  static override summary = 'Stop a rollout for good; devices that have the release keep it';

  static override args = rolloutIdArg;

  static override flags = yesFlag;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RolloutAbort);
    await this.confirm('This ends the rollout; devices that have the release keep it. Go on?', flags.yes);
    await this.act(args.id, 'abort', flags);
  }
}
