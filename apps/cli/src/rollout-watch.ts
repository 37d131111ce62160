import type { RolloutDetail } from '@aviary/protocol';
import type { AdminClient } from './connection.ts';
import type { FollowOptions } from './follower.ts';
import { wavePicture } from './render/wave-picture.ts';
import { followRollout } from './rollout-follower.ts';
import { EXIT, type Screen, watch } from './watch.ts';

const exitCodeOf = ({ state }: RolloutDetail): number | undefined => {
  if (state === 'FINISHED') return EXIT.done;
  if (state === 'STOPPED' || state === 'ROLLED_BACK' || state === 'APPROVAL_DENIED') return EXIT.failed;
  return state === 'PAUSED' ? EXIT.paused : undefined;
};

/** Shows a rollout until it ends or pauses. @returns the exit code */
export const watchRollout = (
  client: Pick<AdminClient, 'showRollout'>,
  id: string,
  options: FollowOptions,
  screen: Screen,
): Promise<number> => watch(followRollout(client, id, options), wavePicture, exitCodeOf, screen);
