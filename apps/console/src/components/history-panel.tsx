import { Table, Text } from '@mantine/core';
import { Panel } from './panel.tsx';
import { RelativeTime } from './relative-time.tsx';

interface Props {
  readonly history: readonly { readonly at: number; readonly message: string; readonly by?: string | null }[];
}

/** What has happened with something, newest first. */
export const HistoryPanel = ({ history }: Props) => {
  // An entry keeps its number while newer ones come.
  const numbered = history.map((entry, number) => ({ ...entry, number }));
  return (
    <Panel title="History" flush>
      <Table>
        <Table.Tbody>
          {numbered.toReversed().map(({ number, at, message, by }) => (
            <Table.Tr key={number}>
              <Table.Td w={120} c="dimmed">
                <RelativeTime at={at} />
              </Table.Td>
              <Table.Td>
                <Text size="sm" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
                  {message}
                  {by !== undefined && by !== null && (
                    <Text span size="sm" c="dimmed">
                      {' '}
                      · {by}
                    </Text>
                  )}
                </Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Panel>
  );
};
