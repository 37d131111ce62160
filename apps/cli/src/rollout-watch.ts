import type { RolloutDetail } from '@aviary/protocol';
import type { AdminClient } from './connection.ts';
import type { FollowOptions } from './follower.ts';
import { rolloutPicture } from './render/rollout-picture.ts';
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
): Promise<number> => {
  // What counts down would be a new line with each look.
  const optionsNow = () => ({ columns: screen.columns, ...(screen.isTTY === true ? { now: Date.now() } : {}) });
  const pictureOf = (rollout: RolloutDetail) => rolloutPicture(rollout, optionsNow());
  return watch(followRollout(client, id, options), pictureOf, exitCodeOf, screen);
};
