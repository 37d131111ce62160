import { NavAnchor } from './nav-anchor.tsx';

/** The release of a rollout, leading to its page. */
export const RolloutLink = ({ id, release }: { id: string; release: string }) => (
  <NavAnchor to="/rollouts/$rolloutId" params={{ rolloutId: id }} className="mono">
    {release}
  </NavAnchor>
);
