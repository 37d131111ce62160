import { Alert, Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { createJoinToken, type JoinToken } from '../../api/generated/index.ts';
import { commandLine } from '../../components/command-line.ts';
import { Equivalent } from '../../components/equivalent.tsx';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { type LabelProblem, readLabels } from './label-text.ts';

const TIMES: Record<string, { label: string; seconds: number }> = {
  '10m': { label: '10 minutes', seconds: 600 },
  '1h': { label: '1 hour', seconds: 3600 },
  '24h': { label: '24 hours', seconds: 86_400 },
};

/** Makes a token with which one device may join, and says what to type on the device. */
export const JoinDialog = ({ opened, onClose }: { opened: boolean; onClose: () => void }) => {
  const [ttl, setTtl] = useState('1h');
  const [text, setText] = useState('');
  const [made, setMade] = useState<JoinToken>();
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const read = readLabels(text);
  const wrong: LabelProblem | undefined = read.problems[0];
  const ttlSeconds = TIMES[ttl]?.seconds ?? 3600;
  const command = commandLine(
    'device',
    'enroll-token',
    '--ttl',
    ttl,
    ...Object.entries(read.labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
  );

  const close = () => {
    // The token is shown once: a dialog that is opened again makes a new one.
    setMade(undefined);
    setError(undefined);
    onClose();
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (wrong !== undefined) return;
    setBusy(true);
    setError(undefined);
    try {
      setMade(await createJoinToken({ body: { ttlSeconds, labels: read.labels } }));
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Modal opened={opened} onClose={close} title="Let a device join" size="lg">
      {made === undefined ? (
        <form onSubmit={(event) => void submit(event)}>
          <Stack>
            <Text size="sm" c="dimmed">
              One device may join with a token, once. Its labels say to which part of the fleet it belongs.
            </Text>
            <TextInput
              label="Labels"
              description="key=value, separated by spaces or commas; may stay empty"
              placeholder="site=lyon floor=2"
              classNames={{ input: 'mono' }}
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
              error={wrong?.message}
              data-autofocus
            />
            <Select
              label="It works for"
              data={Object.entries(TIMES).map(([value, { label }]) => ({ value, label }))}
              value={ttl}
              onChange={(value) => setTtl(value ?? '1h')}
              allowDeselect={false}
            />
            <Equivalent command={command} />
            <ProblemAlert error={error} title="No token was made" />
            <Group justify="flex-end">
              <RoleButton type="submit" loading={busy} disabled={wrong !== undefined}>
                Make a token
              </RoleButton>
            </Group>
          </Stack>
        </form>
      ) : (
        <Stack>
          <Alert variant="outline" title="Shown once">
            <Text size="sm" c="var(--mantine-color-text)">
              Only a hash of the token is kept. It works for one device, and ends <RelativeTime at={made.expiresAt} />.
            </Text>
          </Alert>
          <Equivalent
            label="On the device"
            command={`aviary-agent join --token ${made.token}\naviary-agent run --source dir:/path/to/pictures`}
          />
          <Text size="sm" c="dimmed">
            The device appears in the list by itself as soon as it has joined.
          </Text>
          <Group justify="flex-end">
            <Button onClick={close}>Done</Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
};
