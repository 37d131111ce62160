import { Alert, Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { createToken, type Role } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { commandLine } from '../../components/command-line.ts';
import { Equivalent } from '../../components/equivalent.tsx';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { useAttempt } from '../../components/use-attempt.ts';
import { useSession } from '../../session/use-session.ts';
import { ROLES, rolesToGrant } from './roles.ts';

const DAY_S = 86_400;
const DAYS = ['1', '30', '90', '365'] as const;

export const NewTokenDialog = ({ onClose }: { onClose: () => void }) => {
  const client = useQueryClient();
  const { session } = useSession();
  const mayGive = rolesToGrant(session?.role ?? 'viewer');
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const [days, setDays] = useState<string>('90');
  const [made, setMade] = useState<string>();
  const [error, setError] = useState<unknown>(null);
  const { busy, attempt } = useAttempt(setError);
  const title = name.trim();

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (title === '') return;
    attempt(async () => {
      const { token } = await createToken({ body: { name: title, role, ttlSeconds: Number(days) * DAY_S } });
      setMade(token);
      await client.invalidateQueries(queries.tokens());
    });
  };

  if (made !== undefined) {
    return (
      <Modal opened onClose={onClose} title="The token">
        <Stack>
          <Alert variant="outline" title="Shown once">
            <Text size="sm" c="var(--mantine-color-text)">
              Only its hash is kept. Whoever has it may do what the role {role} may.
            </Text>
          </Alert>
          <Equivalent label="For a program" command={`AVIARY_TOKEN=${made}`} />
          <Group justify="flex-end">
            <Button onClick={onClose}>Done</Button>
          </Group>
        </Stack>
      </Modal>
    );
  }
  return (
    <Modal opened onClose={onClose} title="Make a token">
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="What it is for"
            placeholder="nightly-report"
            maxLength={128}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
          />
          <Select
            label="Role"
            data={ROLES.filter(({ value }) => mayGive.includes(value)).map(({ value, words }) => ({
              value,
              label: `${value}: ${words}`,
            }))}
            value={role}
            allowDeselect={false}
            onChange={(next) => next !== null && setRole(next as Role)}
          />
          <Select
            label="It works for"
            data={DAYS.map((value) => ({ value, label: value === '1' ? '1 day' : `${value} days` }))}
            value={days}
            allowDeselect={false}
            onChange={(next) => next !== null && setDays(next)}
          />
          <Equivalent
            command={commandLine('token', 'create', title === '' ? 'NAME' : title, '--role', role, '--ttl', `${days}d`)}
          />
          <ProblemAlert error={error} title="No token was made" />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Leave it
            </Button>
            <Button type="submit" loading={busy} disabled={title === ''}>
              Make the token
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};
