import type { RoundDetail } from '@aviary/protocol';
import type { AdminClient } from './connection.ts';
import { type FollowOptions, follow } from './follower.ts';
import { roundPicture } from './render/round-picture.ts';
import { EXIT, type Screen, watch } from './watch.ts';

const exitCodeOf = ({ state }: RoundDetail): number | undefined => {
  if (state === 'COMMITTED') return EXIT.done;
  return state === 'ABANDONED' ? EXIT.failed : undefined;
};

/** Shows a federated round until it ends. @returns the exit code */
export const watchRound = (
  client: Pick<AdminClient, 'showRound'>,
  id: string,
  options: FollowOptions,
  screen: Screen,
): Promise<number> =>
  watch(
    follow(() => client.showRound({ params: { id } }), options),
    // A clock that runs would be another line with each look, where lines are kept.
    (round) => roundPicture(round, screen.isTTY === true ? Date.now() : undefined),
    exitCodeOf,
    screen,
  );
