import { RolloutActionCommand, rolloutIdArg } from '../../rollout-action.ts';

export default class RolloutDeny extends RolloutActionCommand {
  static override summary = 'Refuse a rollout that waits for approval';

  static override args = rolloutIdArg;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RolloutDeny);
    await this.act(args.id, 'deny', flags);
  }
}
