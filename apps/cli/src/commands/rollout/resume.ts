import { RolloutActionCommand, rolloutIdArg } from '../../rollout-action.ts';

export default class RolloutResume extends RolloutActionCommand {
  static override summary = 'Let a paused rollout go on';

  static override args = rolloutIdArg;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RolloutResume);
    await this.act(args.id, 'resume', flags);
  }
}
