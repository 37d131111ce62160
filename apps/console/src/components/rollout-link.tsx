import { Anchor } from '@mantine/core';
import { Link } from '@tanstack/react-router';

/** The release of a rollout, leading to its page. */
export const RolloutLink = ({ id, release }: { id: string; release: string }) => (
  <Anchor size="sm" className="mono" renderRoot={(props) => <Link {...props} to={`/rollouts/${id}` as string} />}>
    {release}
  </Anchor>
);
