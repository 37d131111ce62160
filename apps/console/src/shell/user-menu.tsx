import { Button, Menu, Text } from '@mantine/core';
import { IconChevronDown, IconKey, IconLogout } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { logOut } from '../api/generated/index.ts';
import { sessionStore } from '../session/session-store.ts';
import { useSession } from '../session/use-session.ts';

/** Who is logged in, with what role, and the way out. */
export const UserMenu = () => {
  const { session } = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  if (session === null) return null;
  const leave = async () => {
    // A session that ended by itself is as good.
    await logOut().catch(() => undefined);
    sessionStore.end();
    client.clear();
    await navigate({ to: '/login' });
  };
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <Button
          variant="subtle"
          color="gray"
          c="var(--mantine-color-text)"
          rightSection={<IconChevronDown size={14} />}
        >
          {session.name}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Text size="sm" c="dimmed" px="sm" py={6}>
          Your role: <strong>{session.role}</strong>
        </Text>
        <Menu.Divider />
        <Menu.Item leftSection={<IconKey size={16} />} renderRoot={(props) => <Link to="/access" {...props} />}>
          Accounts and tokens
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void leave()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
};
