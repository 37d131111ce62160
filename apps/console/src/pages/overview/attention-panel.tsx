import { Button } from '@mantine/core';
import { IconCircleCheck } from '@tabler/icons-react';
import { useState } from 'react';
import type { JoiningKey, Overview } from '../../api/generated/index.ts';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import classes from './attention-panel.module.css';

type Attention = Overview['attention'][number];

/** What is seen without asking for more. */
const SHORT = 8;

interface Props {
  readonly attention: readonly Attention[];
  /** Boards that wait for approval, newest first. */
  readonly asking: readonly JoiningKey[];
}

/** What needs somebody now, newest first; each line leads to where it can be looked into. */
export const AttentionPanel = ({ attention, asking }: Props) => {
  const [all, setAll] = useState(false);
  const shown = all ? attention : attention.slice(0, SHORT);
  return (
    <Panel
      title="Needs you now"
      note={attention.length === 0 ? undefined : `${attention.length} in the last day`}
      actions={
        attention.length > SHORT && (
          <Button variant="subtle" size="compact-sm" onClick={() => setAll(!all)}>
            {all ? 'Show fewer' : `Show all ${attention.length}`}
          </Button>
        )
      }
      flush
    >
      {attention.length === 0 && asking.length === 0 ? (
        <div className={classes.calm}>
          <IconCircleCheck size={20} color="var(--av-ok)" aria-hidden />
          Nothing. No warnings in the last day, and no rollout and no board waits for anybody.
        </div>
      ) : (
        <ul className={classes.list}>
          <Asking keys={asking} />
          {shown.map((item, index) => (
            <Item
              // biome-ignore lint/suspicious/noArrayIndexKey: two warnings may be the same in everything
              key={`${item.at} ${item.deviceId} ${item.rolloutId} ${index}`}
              item={item}
            />
          ))}
        </ul>
      )}
    </Panel>
  );
};

const Asking = ({ keys }: { keys: readonly JoiningKey[] }) => {
  const [newest] = keys;
  if (newest === undefined) return null;
  return (
    <li className={classes.item} style={{ '--edge': 'var(--av-warning)' } as React.CSSProperties}>
      <StateBadge state={newest.state} />
      <div className={classes.words}>
        {keys.length === 1 ? 'A board waits' : `${keys.length} boards wait`} for approval to join{' '}
        <NavAnchor underline="always" to="/devices">
          to the devices
        </NavAnchor>
      </div>
      <span className={classes.when}>
        <RelativeTime at={newest.createdAt} />
      </span>
    </li>
  );
};

const Item = ({ item }: { item: Attention }) => (
  <li className={classes.item} style={{ '--edge': `var(--av-${item.level})` } as React.CSSProperties}>
    <StateBadge state={item.level} />
    <div className={classes.words}>
      {item.words}{' '}
      {item.deviceId !== null && (
        <NavAnchor underline="always" to="/devices/$deviceId" params={{ deviceId: item.deviceId }}>
          {item.deviceName ?? item.deviceId}
        </NavAnchor>
      )}{' '}
      {item.rolloutId !== null && (
        <NavAnchor underline="always" to="/rollouts/$rolloutId" params={{ rolloutId: item.rolloutId }}>
          to the rollout
        </NavAnchor>
      )}
    </div>
    <span className={classes.when}>
      <RelativeTime at={item.at} />
    </span>
  </li>
);
