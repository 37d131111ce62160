import { Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { logIn, type Session } from '../api/generated/index.ts';
import { ProblemAlert } from '../components/problem-alert.tsx';
import { useAttempt } from '../components/use-attempt.ts';

interface Props {
  /** Whose session has expired. */
  readonly name?: string;
  readonly onLoggedIn: (session: Session) => void;
}

export const LogInForm = ({ name: known = '', onLoggedIn }: Props) => {
  const [name, setName] = useState(known);
  const [password, setPassword] = useState('');
  const [error, setError] = useState<unknown>(null);
  const { busy, attempt } = useAttempt(setError);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    attempt(async () => {
      onLoggedIn(await logIn({ body: { name, password } }));
    });
  };

  return (
    <form onSubmit={submit}>
      <Stack>
        <ProblemAlert error={error} title="You are not logged in" />
        <TextInput
          label="Account"
          name="username"
          autoComplete="username"
          required
          withAsterisk={false}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus={known === '' ? true : undefined}
        />
        <PasswordInput
          label="Password"
          name="password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          data-autofocus={known === '' ? undefined : true}
        />
        <Button type="submit" loading={busy} fullWidth>
          Log in
        </Button>
      </Stack>
    </form>
  );
};
