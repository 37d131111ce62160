import { RolloutActionCommand, rolloutIdArg } from '../../rollout-action.ts';

export default class RolloutPause extends RolloutActionCommand {
  static override summary = 'Hold a rollout: no further device is told, those under way go on';

  static override args = rolloutIdArg;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RolloutPause);
    await this.act(args.id, 'pause', flags);
  }
}
