import type { ReactNode } from 'react';
import classes from './figure.module.css';
import type { Tone } from './state-tone.ts';

interface FigureProps {
  readonly name: string;
  readonly value: ReactNode;
  readonly note?: ReactNode;
  /** Coloured where it means something. */
  readonly tone?: Tone;
}

/** Numbers beside each other, each with its name. */
export const Figures = ({ children }: { children: ReactNode }) => <dl className={classes.row}>{children}</dl>;

export const Figure = ({ name, value, note, tone }: FigureProps) => (
  <div>
    <dt className={classes.name}>{name}</dt>
    <dd className={classes.value} style={tone === undefined ? undefined : { color: `var(--av-${tone})` }}>
      {value}
    </dd>
    {note !== undefined && <dd className={classes.note}>{note}</dd>}
  </div>
);
