import { RolloutActionCommand, rolloutIdArg } from '../../rollout-action.ts';

export default class RolloutApprove extends RolloutActionCommand {
  static override summary = 'Let a rollout begin that somebody else has asked for';

  static override args = rolloutIdArg;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RolloutApprove);
    await this.act(args.id, 'approve', flags);
  }
}
