import { RolloutActionCommand, rolloutIdArg } from '../../rollout-action.ts';

export default class RolloutPromote extends RolloutActionCommand {
  static override summary = 'Let the current wave pass, although it soaks, has failed, or cannot tell';

  static override args = rolloutIdArg;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RolloutPromote);
    await this.act(args.id, 'promote', flags);
  }
}
