import { Button, Group, PasswordInput, Stack, Text } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { changePassword } from '../../api/generated/index.ts';
import { Panel } from '../../components/panel.tsx';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { useAttempt } from '../../components/use-attempt.ts';
import { PASSWORD_RULE, passwordProblem } from '../../session/account-fields.ts';

/** One's own password. */
export const PasswordPanel = () => {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [tried, setTried] = useState(false);
  const [done, setDone] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const { busy, attempt } = useAttempt(setError);
  const wrong = passwordProblem(next);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    setDone(false);
    if (wrong !== undefined) return;
    attempt(async () => {
      await changePassword({ body: { current, next } });
      setCurrent('');
      setNext('');
      setTried(false);
      setDone(true);
    });
  };

  return (
    <Panel title="Your password">
      <form onSubmit={submit} noValidate>
        <Stack maw={420}>
          <PasswordInput
            label="Present password"
            autoComplete="current-password"
            value={current}
            onChange={(event) => setCurrent(event.currentTarget.value)}
          />
          <PasswordInput
            label="New password"
            description={PASSWORD_RULE}
            autoComplete="new-password"
            value={next}
            onChange={(event) => setNext(event.currentTarget.value)}
            error={tried ? wrong : undefined}
          />
          <ProblemAlert error={error} title="Your password is the same as before" />
          <Group>
            <Button type="submit" variant="default" loading={busy}>
              Change the password
            </Button>
            <Text size="sm" role="status">
              {done && 'Changed. Your other sessions have ended.'}
            </Text>
          </Group>
        </Stack>
      </form>
    </Panel>
  );
};
