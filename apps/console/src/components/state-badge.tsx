import classes from './state-badge.module.css';
import { stateWords, type Tone, toneOf } from './state-tone.ts';

interface Props {
  /** Of a device, rollout, wave, execution, round, …, as the API says it. */
  readonly state: string;
  readonly label?: string;
  readonly tone?: Tone;
}

/** A lamp and a word: the colour alone never says it. */
export const StateBadge = ({ state, label = stateWords(state), tone = toneOf(state) }: Props) => {
  const shape = tone === 'waiting' ? classes.hollow : tone === 'active' ? classes.moving : '';
  return (
    <span className={classes.badge}>
      <span
        className={`${classes.lamp} ${shape}`}
        style={{ '--lamp': `var(--av-${tone})` } as React.CSSProperties}
        aria-hidden
      />
      {label}
    </span>
  );
};
