import { Button, type ButtonProps, Tooltip } from '@mantine/core';
import type { MouseEventHandler, ReactElement, ReactNode } from 'react';
import type { Role } from '../api/generated/index.ts';
import { OPERATORS, useMay } from '../session/use-session.ts';

interface Props extends ButtonProps {
  /** Who may do this; operators and admins unless said otherwise. */
  readonly roles?: readonly Role[];
  /** Why it cannot be done now; null: it can. */
  readonly refusal?: string | null;
  /** What it does, while it can be done. */
  readonly hint?: ReactNode;
  readonly type?: 'button' | 'submit';
  readonly onClick?: MouseEventHandler<HTMLButtonElement>;
  readonly children: ReactNode;
}

const Reason = ({ label, children }: { label: ReactNode; children: ReactElement }) => (
  <Tooltip label={label} multiline maw={420} events={{ hover: true, focus: true, touch: true }}>
    {children}
  </Tooltip>
);

/** A button for a change. Who may not make it now sees the button, and learns why: the role, or what stands in the way. */
export const RoleButton = ({
  roles = OPERATORS,
  refusal = null,
  hint,
  onClick,
  type = 'button',
  children,
  ...rest
}: Props) => {
  const may = useMay(roles);
  const reason = may ? refusal : `Needs the role ${roles.join(' or ')}`;
  if (reason === null) {
    const button = (
      <Button type={type} {...rest} {...(onClick === undefined ? {} : { onClick })}>
        {children}
      </Button>
    );
    return hint === undefined ? button : <Reason label={hint}>{button}</Reason>;
  }
  return (
    <Reason label={reason}>
      {/* Stays focusable, so that the keyboard reaches the reason, too. */}
      <Button {...rest} type="button" data-disabled aria-disabled onClick={(event) => event.preventDefault()}>
        {children}
      </Button>
    </Reason>
  );
};
