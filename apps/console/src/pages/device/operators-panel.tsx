import { Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { OperatorProfile, RequestedProfile } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { commandLine } from '../../components/command-line.ts';
import { Equivalent } from '../../components/equivalent.tsx';
import { Loaded } from '../../components/loaded.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';

/** Of the slowest ones; the command shows more. */
const SHOWN = 8;

/** What the operators of its release cost a device, as it measured when somebody last asked. */
export const OperatorsPanel = ({ deviceId }: { deviceId: string }) => {
  const profiles = useQuery(queries.operatorProfiles(deviceId));
  return (
    <Panel title="What its operators cost">
      <Stack gap="sm">
        <Loaded query={profiles} what="its operator profiles">
          {({ items }) => (
            <>
              <Newest requested={items[0]} />
              <Slowest requested={items.find(({ profile }) => profile !== null)} />
            </>
          )}
        </Loaded>
        <Equivalent command={commandLine('device', 'profile', deviceId)} label="How to ask it" />
      </Stack>
    </Panel>
  );
};

const Newest = ({ requested }: { requested: RequestedProfile | undefined }) => {
  if (requested === undefined) {
    return (
      <Text size="sm" c="dimmed">
        Nobody has asked it yet. It then measures each operator of the release that serves.
      </Text>
    );
  }
  const { state, refusal, by, requestedAt } = requested;
  const became = { WAITING: 'it has not answered yet', EXPIRED: 'it did not answer in time', REFUSED: '', DONE: '' };
  return (
    <Text size="sm">
      Asked by {by} <RelativeTime at={requestedAt} />
      {state === 'REFUSED' ? `: ${refusal?.message}` : became[state] === '' ? '' : `: ${became[state]}`}
    </Text>
  );
};

const Slowest = ({ requested }: { requested: RequestedProfile | undefined }) => {
  const profile = requested?.profile;
  if (profile === undefined || profile === null) return null;
  return (
    <>
      <Text size="sm" c="dimmed">
        <code className="mono">{profile.release}</code> on {profile.provider}: {millisecondsOf(profile.runUs, profile)}{' '}
        a frame, in {profile.operators} operators
      </Text>
      <Table aria-label="Its slowest operators">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Operator</Table.Th>
            <Table.Th>Per frame</Table.Th>
            <Table.Th>Share</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {profile.slowest.slice(0, SHOWN).map(({ model, name, type, provider, totalUs }) => (
            <Table.Tr key={`${model} ${name} ${type} ${provider}`}>
              <Table.Td style={{ overflowWrap: 'anywhere' }}>
                {type}
                <Text size="xs" c="dimmed">
                  {model === null ? name : `${model}: ${name}`}
                </Text>
              </Table.Td>
              <Table.Td>{millisecondsOf(totalUs, profile)}</Table.Td>
              <Table.Td>{((totalUs / Math.max(1, profile.runUs)) * 100).toFixed(1)} %</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  );
};

const millisecondsOf = (us: number, { frames }: OperatorProfile): string =>
  `${(us / 1_000 / Math.max(1, frames)).toFixed(2)} ms`;
