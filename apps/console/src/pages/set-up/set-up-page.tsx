import { Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { setUp, showSetup } from '../../api/generated/index.ts';
import { ProblemError } from '../../api/problem-error.ts';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { useAttempt } from '../../components/use-attempt.ts';
import { NAME_RULE, PASSWORD_RULE } from '../../session/account-fields.ts';
import { Entrance } from '../../session/entrance.tsx';
import { sessionStore } from '../../session/session-store.ts';
import { codeOfFragment, setUpProblems } from './set-up-fields.ts';

export const SetUpPage = () => {
  const navigate = useNavigate();
  const [code, setCode] = useState(() => codeOfFragment(window.location.hash));
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const [tried, setTried] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const { busy, attempt } = useAttempt(setError);

  // The code opens the door: it does not stay in the address bar and the history.
  useEffect(() => {
    if (window.location.hash !== '') window.history.replaceState(window.history.state, '', window.location.pathname);
    void showSetup()
      .then(({ needed }) => (needed ? undefined : navigate({ to: '/login' })))
      .catch(setError);
  }, [navigate]);

  const wrong = setUpProblems({ code, name, password, again });
  const refused = error instanceof ProblemError ? error : undefined;
  const at = (field: 'code' | 'name' | 'password' | 'again') =>
    (tried ? wrong[field] : undefined) ??
    (field === 'code' && refused?.code === 'set-up-code-wrong' ? refused.message : refused?.at(field));
  const placed = refused !== undefined && (['code', 'name', 'password'] as const).some((field) => at(field));

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    setError(null);
    if (Object.keys(wrong).length > 0) return;
    attempt(async () => {
      sessionStore.begin(await setUp({ body: { code: code.trim(), name, password } }));
      await navigate({ to: '/' });
    });
  };

  return (
    <Entrance
      title="Set up"
      words="Make the first account of this control plane. It is an admin: it can make accounts for everybody else."
    >
      <form onSubmit={submit} noValidate>
        <Stack>
          {!placed && <ProblemAlert error={error} title="Nothing was set up" />}
          <TextInput
            label="Set-up code"
            description="Shown where the control plane was started."
            classNames={{ input: 'mono' }}
            autoComplete="off"
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            error={at('code')}
          />
          <TextInput
            label="Account name"
            description={NAME_RULE}
            autoComplete="username"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={at('name')}
          />
          <PasswordInput
            label="Password"
            description={PASSWORD_RULE}
            autoComplete="new-password"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            error={at('password')}
          />
          <PasswordInput
            label="Password once more"
            autoComplete="new-password"
            value={again}
            onChange={(event) => setAgain(event.currentTarget.value)}
            error={at('again')}
          />
          <Button type="submit" loading={busy} fullWidth>
            Make the account
          </Button>
        </Stack>
      </form>
    </Entrance>
  );
};
