import { Button, Group, Modal, PasswordInput, Select, Stack, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { createAccount, type Role } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { commandLine } from '../../components/command-line.ts';
import { Equivalent } from '../../components/equivalent.tsx';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { useAttempt } from '../../components/use-attempt.ts';
import { accountNameProblem, NAME_RULE, PASSWORD_RULE, passwordProblem } from '../../session/account-fields.ts';
import { ROLES } from './roles.ts';

export const NewAccountDialog = ({ onClose }: { onClose: () => void }) => {
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const [tried, setTried] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const { busy, attempt } = useAttempt(setError);
  const wrong = { name: accountNameProblem(name), password: passwordProblem(password) };

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (wrong.name !== undefined || wrong.password !== undefined) return;
    attempt(async () => {
      await createAccount({ body: { name, role, password } });
      await client.invalidateQueries(queries.accounts());
      onClose();
    });
  };

  return (
    <Modal opened onClose={onClose} title="Make an account">
      <form onSubmit={submit} noValidate>
        <Stack>
          <TextInput
            label="Account name"
            description={NAME_RULE}
            autoComplete="off"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={tried ? wrong.name : undefined}
            data-autofocus
          />
          <Select
            label="Role"
            data={ROLES.map(({ value, words }) => ({ value, label: `${value}: ${words}` }))}
            value={role}
            allowDeselect={false}
            onChange={(next) => next !== null && setRole(next as Role)}
          />
          <PasswordInput
            label="First password"
            description={PASSWORD_RULE}
            autoComplete="new-password"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            error={tried ? wrong.password : undefined}
          />
          <Equivalent command={commandLine('user', 'add', name === '' ? 'NAME' : name, '--role', role)} />
          <ProblemAlert error={error} title="No account was made" />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Leave it
            </Button>
            <Button type="submit" loading={busy}>
              Make the account
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};
