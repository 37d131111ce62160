import { Text, Title } from '@mantine/core';
import { type ReactNode, useId } from 'react';
import classes from './panel.module.css';

interface Props {
  readonly title: string;
  /** A word beside the title. */
  readonly note?: ReactNode;
  /** What can be done with it. */
  readonly actions?: ReactNode;
  /** The content reaches the border, as tables do. */
  readonly flush?: boolean;
  readonly children: ReactNode;
}

/** A part of a page, with its heading. */
export const Panel = ({ title, note, actions, flush = false, children }: Props) => {
  const heading = useId();
  return (
    <section className={classes.panel} aria-labelledby={heading}>
      <div className={classes.head}>
        <div style={{ display: 'flex', alignItems: 'baseline', gap: 10 }}>
          <Title order={2} id={heading}>
            {title}
          </Title>
          {note !== undefined && (
            <Text component="span" size="sm" c="dimmed">
              {note}
            </Text>
          )}
        </div>
        {actions}
      </div>
      <div className={flush ? classes.flush : classes.body}>{children}</div>
    </section>
  );
};
