import { Fragment, type ReactNode } from 'react';
import classes from './key-value.module.css';

/** Facts by their names. What is undefined is left out. */
export const KeyValue = ({ items }: { items: readonly (readonly [string, ReactNode])[] }) => (
  <dl className={classes.list}>
    {items
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => (
        <Fragment key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </Fragment>
      ))}
  </dl>
);
