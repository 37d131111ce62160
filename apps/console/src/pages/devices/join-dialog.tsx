import { Alert, Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { createJoinToken, type DeviceDetail, type JoinToken } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { commandLine } from '../../components/command-line.ts';
import { Equivalent } from '../../components/equivalent.tsx';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { useAttempt } from '../../components/use-attempt.ts';
import { type LabelProblem, readLabels } from './label-text.ts';

const TIMES: Record<string, { label: string; seconds: number }> = {
  '10m': { label: '10 minutes', seconds: 600 },
  '1h': { label: '1 hour', seconds: 3600 },
  '24h': { label: '24 hours', seconds: 86_400 },
};

interface Props {
  readonly opened: boolean;
  /** Who joins anew with the token; absent: a new device. */
  readonly device?: Pick<DeviceDetail, 'id' | 'name'>;
  readonly onClose: () => void;
}

/** Makes a token with which one device may join, and says what to type on the device. */
export const JoinDialog = ({ opened, device, onClose }: Props) => {
  const [ttl, setTtl] = useState('1h');
  const [text, setText] = useState('');
  const [made, setMade] = useState<JoinToken>();
  const [error, setError] = useState<unknown>(null);
  const { busy, attempt } = useAttempt(setError);
  const read = readLabels(text);
  const wrong: LabelProblem | undefined = read.problems[0];
  const body = {
    ttlSeconds: TIMES[ttl]?.seconds ?? 3600,
    labels: read.labels,
    ...(device === undefined ? {} : { deviceId: device.id }),
  };
  const command = commandLine(
    'device',
    'enroll-token',
    '--ttl',
    ttl,
    ...(device === undefined ? [] : ['--device', device.id]),
    ...Object.entries(read.labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
  );

  const close = () => {
    // The token is shown once: a dialog that is opened again makes a new one.
    setMade(undefined);
    setError(null);
    onClose();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (wrong !== undefined) return;
    attempt(async () => {
      setMade(await createJoinToken({ body }));
    });
  };

  return (
    <Modal
      opened={opened}
      onClose={close}
      title={device === undefined ? 'Let a device join' : `Let ${device.name} join anew`}
      size="lg"
    >
      {made === undefined ? (
        <form onSubmit={submit}>
          <Stack>
            <Text size="sm" c="dimmed">
              {device === undefined
                ? 'One device may join with a token, once. Its labels say to which part of the fleet it belongs.'
                : 'Whoever has the token joins as this device, once: the same board, or a new one in its place.'}
            </Text>
            {device === undefined && (
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
            )}
            <Select
              label="It works for"
              data={Object.entries(TIMES).map(([value, { label }]) => ({ value, label }))}
              value={ttl}
              onChange={(value) => setTtl(value ?? '1h')}
              allowDeselect={false}
            />
            <Equivalent command={command} />
            {device === undefined && <WithoutToken />}
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
            command={
              device === undefined
                ? `aviary-agent join --token ${made.token}\naviary-agent run --source dir:/path/to/pictures`
                : `aviary-agent join --token ${made.token}`
            }
          />
          <Text size="sm" c="dimmed">
            {device === undefined
              ? 'The device appears in the list by itself as soon as it has joined.'
              : 'Stop its agent before, and start it afterwards. The page shows by itself that it is back.'}
          </Text>
          <Group justify="flex-end">
            <Button onClick={close}>Done</Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
};

/** The other way in: the board asks with its key alone, and somebody approves that. */
const WithoutToken = () => {
  const { data } = useQuery(queries.joiningKeys());
  if (data === undefined) return null;
  return (
    <Equivalent
      label="Or without a token, on the device; it then waits here for approval"
      command={`aviary-agent join --server ${data.deviceUrl} --ca-fingerprint ${data.caFingerprint}`}
    />
  );
};
