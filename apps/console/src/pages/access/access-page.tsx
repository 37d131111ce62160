import { Stack } from '@mantine/core';
import { PageHeader } from '../../components/page-header.tsx';
import { ADMINS, useMay, useSession } from '../../session/use-session.ts';
import { AccountsPanel } from './accounts-panel.tsx';
import { PasswordPanel } from './password-panel.tsx';
import { TokensPanel } from './tokens-panel.tsx';

/** Who may come in, as what: accounts for an admin, for everybody their own tokens and password. */
export const AccessPage = () => {
  const { session } = useSession();
  const isAdmin = useMay(ADMINS);
  return (
    <>
      <PageHeader
        title="Accounts and tokens"
        subtitle={session === null ? undefined : `You are ${session.name}, with the role ${session.role}.`}
      />
      <Stack>
        {isAdmin && <AccountsPanel />}
        <TokensPanel />
        {session?.via === 'session' && <PasswordPanel />}
      </Stack>
    </>
  );
};
