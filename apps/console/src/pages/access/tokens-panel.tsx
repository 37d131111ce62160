import { Table, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ApiToken, revokeToken } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { commandLine } from '../../components/command-line.ts';
import { ConfirmButton } from '../../components/confirm-button.tsx';
import { DialogButton } from '../../components/dialog-button.tsx';
import { EmptyState } from '../../components/empty-state.tsx';
import { Loaded } from '../../components/loaded.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { NewTokenDialog } from './new-token-dialog.tsx';
import { ROLES } from './roles.ts';

const EVERYBODY = ROLES.map(({ value }) => value);

/** API tokens, with which the command and other programs come in: one's own; all of them for an admin. */
export const TokensPanel = () => {
  const tokens = useQuery(queries.tokens());
  return (
    <Panel
      title="API tokens"
      actions={
        <DialogButton roles={EVERYBODY} dialog={(close) => <NewTokenDialog onClose={close} />}>
          Make a token
        </DialogButton>
      }
      flush
    >
      <Loaded query={tokens} what="the tokens">
        {({ items }) =>
          items.length === 0 ? (
            <EmptyState title="No tokens" commands={['aviary login']}>
              The command makes one for itself when you log in with it. Make others here for programs.
            </EmptyState>
          ) : (
            <Tokens tokens={items} />
          )
        }
      </Loaded>
    </Panel>
  );
};

const Tokens = ({ tokens }: { tokens: readonly ApiToken[] }) => {
  const client = useQueryClient();
  const revoke = async (id: string) => {
    await revokeToken({ path: { id } });
    await client.invalidateQueries(queries.tokens());
  };
  return (
    <Table aria-label="API tokens">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Token</Table.Th>
          <Table.Th>Role</Table.Th>
          <Table.Th>Account</Table.Th>
          <Table.Th>Ends</Table.Th>
          <Table.Th>Last used</Table.Th>
          <Table.Th>
            <span className="visually-hidden">Change</span>
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {tokens.map(({ id, name, role, account, expiresAt, lastUsedAt }) => (
          <Table.Tr key={id}>
            <Table.Td>
              <Text size="sm" fw={550}>
                {name}
              </Text>
              <Text size="xs" c="dimmed" className="mono">
                {id}
              </Text>
            </Table.Td>
            <Table.Td>{role}</Table.Td>
            <Table.Td>{account ?? 'none'}</Table.Td>
            <Table.Td>
              <RelativeTime at={expiresAt} />
            </Table.Td>
            <Table.Td>
              <RelativeTime at={lastUsedAt} />
            </Table.Td>
            <Table.Td ta="end">
              <ConfirmButton
                size="xs"
                variant="subtle"
                label="Revoke"
                roles={EVERYBODY}
                command={commandLine('token', 'revoke', id)}
                onConfirm={() => revoke(id)}
              >
                Whatever uses the token {name} is refused from now on.
              </ConfirmButton>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
};
