import { Select, Table } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type Account, changeAccount, type Role } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { commandLine } from '../../components/command-line.ts';
import { ConfirmButton } from '../../components/confirm-button.tsx';
import { DialogButton } from '../../components/dialog-button.tsx';
import { Loaded } from '../../components/loaded.tsx';
import { Panel } from '../../components/panel.tsx';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { ADMINS, useSession } from '../../session/use-session.ts';
import { NewAccountDialog } from './new-account-dialog.tsx';
import { ROLES } from './roles.ts';

/** All accounts. Only admins see it. */
export const AccountsPanel = () => {
  const accounts = useQuery(queries.accounts());
  return (
    <Panel
      title="Accounts"
      actions={
        <DialogButton roles={ADMINS} dialog={(close) => <NewAccountDialog onClose={close} />}>
          Make an account
        </DialogButton>
      }
      flush
    >
      <Loaded query={accounts} what="the accounts">
        {({ items }) => <Accounts accounts={items} />}
      </Loaded>
    </Panel>
  );
};

const Accounts = ({ accounts }: { accounts: readonly Account[] }) => {
  const client = useQueryClient();
  const { session } = useSession();
  const change = useMutation({
    mutationFn: ({ id, ...body }: { id: string; role?: Role; disabled?: boolean }) =>
      changeAccount({ path: { id }, body }),
    onSuccess: () => client.invalidateQueries(queries.accounts()),
  });
  return (
    <>
      <ProblemAlert error={change.error} title="The account was not changed" />
      <Table aria-label="Accounts">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Account</Table.Th>
            <Table.Th>Role</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th>Last log-in</Table.Th>
            <Table.Th>
              <span className="visually-hidden">Change</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {accounts.map(({ id, name, role, disabled, lastLoginAt }) => (
            <Table.Tr key={id}>
              <Table.Td fw={550}>{name}</Table.Td>
              <Table.Td>
                {name === session?.name ? (
                  role
                ) : (
                  <Select
                    aria-label={`Role of ${name}`}
                    size="xs"
                    w={130}
                    data={ROLES.map(({ value, label }) => ({ value, label }))}
                    value={role}
                    allowDeselect={false}
                    disabled={change.isPending}
                    onChange={(next) => next !== null && change.mutate({ id, role: next as Role })}
                  />
                )}
              </Table.Td>
              <Table.Td>
                <StateBadge state={disabled ? 'disabled' : 'may log in'} tone={disabled ? 'waiting' : 'ok'} />
              </Table.Td>
              <Table.Td>
                <RelativeTime at={lastLoginAt} />
              </Table.Td>
              <Table.Td ta="end">
                {name !== session?.name && (
                  <ConfirmButton
                    size="xs"
                    variant="subtle"
                    label={disabled ? 'Enable' : 'Disable'}
                    roles={ADMINS}
                    command={commandLine('user', 'change', name, disabled ? '--enable' : '--disable')}
                    onConfirm={() => change.mutateAsync({ id, disabled: !disabled })}
                  >
                    {disabled
                      ? `${name} can log in again, with the password that it had.`
                      : `${name} can no longer log in; its sessions end at once.`}
                  </ConfirmButton>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  );
};
