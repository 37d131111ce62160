import type { RolloutDetail } from '@aviary/protocol';
import type { AdminClient } from './connection.ts';
import { type FollowOptions, follow } from './follower.ts';

/** Gives each look at a rollout; see `follow`. */
export const followRollout = (
  client: Pick<AdminClient, 'showRollout'>,
  id: string,
  options: FollowOptions,
): AsyncGenerator<RolloutDetail, void, void> => follow(() => client.showRollout({ params: { id } }), options);
