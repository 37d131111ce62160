import { Button, type ButtonProps, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { type ReactNode, useState } from 'react';
import type { Role } from '../api/generated/index.ts';
import { OPERATORS } from '../session/use-session.ts';
import { Equivalent } from './equivalent.tsx';
import { ProblemAlert } from './problem-alert.tsx';
import { RoleButton } from './role-button.tsx';
import { useAttempt } from './use-attempt.ts';

interface Props extends Omit<ButtonProps, 'children'> {
  /** On the button, and on the one that confirms. */
  readonly label: string;
  /** What will happen, and to whom. */
  readonly children: ReactNode;
  readonly command?: string;
  /** A word that has to be typed first; only for what touches the whole fleet. */
  readonly typeToConfirm?: string;
  readonly roles?: readonly Role[];
  /** As of a `RoleButton`. */
  readonly refusal?: string | null;
  readonly hint?: ReactNode;
  readonly onConfirm: () => Promise<unknown>;
}

/** A change that is asked about once more, with its command. */
export const ConfirmButton = ({
  label,
  children,
  command,
  typeToConfirm,
  roles,
  refusal,
  hint,
  onConfirm,
  ...rest
}: Props) => {
  const [opened, { open, close }] = useDisclosure(false);
  const [typed, setTyped] = useState('');
  const [error, setError] = useState<unknown>(null);
  const { busy, attempt } = useAttempt(setError);
  const mayConfirm = typeToConfirm === undefined || typed === typeToConfirm;

  const ask = () => {
    setTyped('');
    setError(null);
    open();
  };
  const confirm = () =>
    attempt(async () => {
      await onConfirm();
      close();
    });

  return (
    <>
      <RoleButton {...rest} roles={roles ?? OPERATORS} refusal={refusal ?? null} hint={hint} onClick={ask}>
        {label}
      </RoleButton>
      <Modal opened={opened} onClose={close} title={label}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (mayConfirm) confirm();
          }}
        >
          <Stack>
            <Text component="div" size="sm">
              {children}
            </Text>
            {typeToConfirm !== undefined && (
              <TextInput
                label={`Type ${typeToConfirm} to confirm`}
                value={typed}
                onChange={(event) => setTyped(event.currentTarget.value)}
                data-autofocus
              />
            )}
            {command !== undefined && <Equivalent command={command} />}
            <ProblemAlert error={error} />
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>
                Leave it
              </Button>
              <Button type="submit" color={rest.color ?? 'heron'} loading={busy} disabled={!mayConfirm}>
                {label}
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
};
