import { Alert, List, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconBan } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { type DeviceDetail, revokeDevice } from '../../api/generated/index.ts';
import { commandLine } from '../../components/command-line.ts';
import { ConfirmButton } from '../../components/confirm-button.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { JoinDialog } from '../devices/join-dialog.tsx';

/** Ends a device's membership, once it was said what that means. */
export const RevokeButton = ({ device }: { device: DeviceDetail }) => {
  const client = useQueryClient();
  const revoke = async () => {
    await revokeDevice({ path: { id: device.id } });
    await client.invalidateQueries({ queryKey: ['devices'] });
  };
  return (
    <ConfirmButton
      label="Revoke"
      variant="outline"
      color="red"
      leftSection={<IconBan size={16} aria-hidden />}
      command={commandLine('device', 'revoke', device.id, '--yes')}
      onConfirm={revoke}
    >
      <Stack gap="xs">
        <span>
          For a board that was stolen, sold, or that somebody has tampered with. From now on {device.name} is refused:
        </span>
        <List size="sm" spacing={4}>
          <List.Item>its keys count no more, and its live session ends within seconds;</List.Item>
          <List.Item>it gets no further release, and rollouts and rounds go on without it;</List.Item>
          <List.Item>what lies on it, it keeps, the release that it runs included.</List.Item>
        </List>
        <span>There is no undo: to come back it has to join anew, with a token for it.</span>
      </Stack>
    </ConfirmButton>
  );
};

/** What a revoked device is, and how it comes back. */
export const RevokedNotice = ({ device }: { device: DeviceDetail }) => {
  const [joining, { open, close }] = useDisclosure(false);
  if (device.revokedAt === null) return null;
  return (
    <>
      <Alert variant="outline" color="red" mb="md" icon={<IconBan />} title="It is revoked">
        <Stack gap="sm" align="flex-start">
          <Text size="sm" c="var(--mantine-color-text)">
            It was revoked <RelativeTime at={device.revokedAt} />, and is refused since. With a token for it, it joins
            anew as the same device.
          </Text>
          <RoleButton size="xs" variant="default" onClick={open}>
            Let it join anew
          </RoleButton>
        </Stack>
      </Alert>
      <JoinDialog opened={joining} device={device} onClose={close} />
    </>
  );
};
