import { Flags } from '@oclif/core';
import { AviaryCommand, outputFlag } from '../../aviary-command.ts';
import { findDevice } from '../../find-device.ts';
import { findRollout } from '../../find-rollout.ts';
import { rolloutIdArg } from '../../rollout-action.ts';

export default class RolloutRetry extends AviaryCommand {
  static override summary = 'Give devices that failed, timed out, were canceled or run something else since a new try';

  static override description =
    'Their waves go on, soak and are judged once more, and the next wave waits for that. A device that refused the release, or went back from it, is tried again only when it is named. It works while the rollout is RUNNING or PAUSED; of a paused one they are told after resume.';

  static override examples = [
    '<%= config.bin %> rollout retry last',
    '<%= config.bin %> rollout retry last --device gate-3 --device d-abc123',
  ];

  static override args = rolloutIdArg;

  static override flags = {
    device: Flags.string({ description: 'only this device, by its id or name; may be given often', multiple: true }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RolloutRetry);
    const { client } = await this.connect(flags);
    const id = await findRollout(client, args.id);
    const devices: string[] = [];
    for (const named of flags.device ?? []) devices.push(await findDevice(client, named));
    const body = devices.length === 0 ? {} : { devices };
    let answer = await client.retryRollout({ params: { id }, body });
    let { retried } = answer;
    while (answer.more) {
      answer = await client.retryRollout({ params: { id }, body });
      retried += answer.retried;
    }
    const { rollout } = answer;
    this.print({ rollout, retried }, flags.output, () => {
      if (retried === 0)
        return `${id}  nothing to try again: no device failed, timed out, was canceled or runs something else`;
      const later = rollout.state === 'PAUSED' ? `; they are told after: aviary rollout resume ${id.slice(0, 8)}` : '';
      return `${id}  ${rollout.state}: ${retried} device${retried === 1 ? ' gets' : 's get'} a new try${later}`;
    });
  }
}
