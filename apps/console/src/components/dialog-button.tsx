import { useDisclosure } from '@mantine/hooks';
import type { ComponentProps, ReactNode } from 'react';
import { RoleButton } from './role-button.tsx';

interface Props extends Pick<ComponentProps<typeof RoleButton>, 'roles' | 'children'> {
  /** Is there only while it is open, and so begins anew each time. */
  readonly dialog: (close: () => void) => ReactNode;
}

/** A button in the head of a panel that opens a dialog, for who may make the change. */
export const DialogButton = ({ dialog, ...button }: Props) => {
  const [opened, { open, close }] = useDisclosure(false);
  return (
    <>
      <RoleButton size="xs" variant="default" {...button} onClick={open} />
      {opened && dialog(close)}
    </>
  );
};
