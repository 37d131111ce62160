import type { RolloutAction } from '@aviary/protocol';
import { AviaryCommand, type ConnectionFlags, nameArg } from './aviary-command.ts';
import { findRollout } from './find-rollout.ts';

export const rolloutIdArg = {
  id: nameArg({ description: 'its id, the beginning of it, or "last"', required: true }),
};

/** A command that tells a rollout to do one thing. */
export abstract class RolloutActionCommand extends AviaryCommand {
  protected async act(id: string, action: RolloutAction, flags: ConnectionFlags): Promise<void> {
    const { client } = await this.connect(flags);
    const rollout = await client.actOnRollout({ params: { id: await findRollout(client, id), action } });
    this.log(`${rollout.id}  ${rollout.state}${rollout.reason === null ? '' : `: ${rollout.reason}`}`);
  }
}
