import { List, Stack, Text } from '@mantine/core';
import type { DeviceDetail } from '../../api/generated/index.ts';
import { Digest } from '../../components/digest.tsx';
import { KeyValue } from '../../components/key-value.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';

const gigabytes = (megabytes: number | undefined): string | undefined =>
  megabytes === undefined ? undefined : `${(megabytes / 1024).toFixed(1)} GiB`;

/** What kind of board it is, and by what that was found out. */
export const BoardPanel = ({ device }: { device: DeviceDetail }) => {
  const { facts, profile, profileReasons, certificate } = device;
  const accelerators = facts.accelerators.map(({ vendor, model, kind }) => `${vendor} ${model} (${kind})`);
  const runtimes = facts.runtimes.map(({ name, version }) => `${name} ${version}`);
  return (
    <Panel title="The board" note={profile ?? 'no profile fits'}>
      <Stack gap="sm">
        <List size="sm" spacing={4} aria-label="Why this profile">
          {profileReasons.map((reason) => (
            <List.Item key={reason}>{reason}</List.Item>
          ))}
        </List>
        <KeyValue
          items={[
            ['Board', facts.deviceTree?.model],
            ['Processor', `${facts.cpu.model}, ${facts.cpu.cores} cores, ${facts.arch}`],
            ['Memory', gigabytes(facts.memoryMB)],
            ['Free disk', gigabytes(facts.diskFreeMB)],
            ['Accelerators', accelerators.length === 0 ? 'none' : accelerators.join(', ')],
            ['Runtimes', runtimes.length === 0 ? 'none' : runtimes.join(', ')],
            ['System', `${facts.os}, kernel ${facts.kernel}`],
            ['L4T', facts.l4t],
            ['Agent', facts.agentVersion],
            ['Joined', <RelativeTime key="joined" at={device.enrolledAt} />],
            [
              'Certificate',
              <span key="certificate">
                <Digest value={certificate.fingerprint} />, ends <RelativeTime at={certificate.expiresAt} />
              </span>,
            ],
          ]}
        />
        {facts.simulated === true && (
          <Text size="sm" c="dimmed">
            These facts were given to the agent; it plays this board.
          </Text>
        )}
      </Stack>
    </Panel>
  );
};
