import { Button, type ButtonProps, Tooltip } from '@mantine/core';
import type { MouseEventHandler, ReactNode } from 'react';
import type { Role } from '../api/generated/index.ts';
import { OPERATORS, useMay } from '../session/use-session.ts';

interface Props extends ButtonProps {
  /** Who may do this; operators and admins unless said otherwise. */
  readonly roles?: readonly Role[];
  readonly type?: 'button' | 'submit';
  readonly onClick?: MouseEventHandler<HTMLButtonElement>;
  readonly children: ReactNode;
}

/** A button for a change. Who may not make it sees the button, and learns which role is needed. */
export const RoleButton = ({ roles = OPERATORS, onClick, type = 'button', children, ...rest }: Props) => {
  const may = useMay(roles);
  if (may) {
    return (
      <Button type={type} {...rest} {...(onClick === undefined ? {} : { onClick })}>
        {children}
      </Button>
    );
  }
  return (
    <Tooltip label={`Needs the role ${roles.join(' or ')}`} events={{ hover: true, focus: true, touch: true }}>
      {/* Stays focusable, so that the keyboard reaches the reason, too. */}
      <Button {...rest} type="button" data-disabled aria-disabled onClick={(event) => event.preventDefault()}>
        {children}
      </Button>
    </Tooltip>
  );
};
