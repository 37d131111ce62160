import { Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReleaseDetail } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { KeyValue } from '../../components/key-value.tsx';
import { Panel } from '../../components/panel.tsx';
import { clockWords } from '../../components/relative-words.ts';

/** Who vouches for a release, and what that is worth, in plain words. */
export const SignaturePanel = ({ release }: { release: ReleaseDetail }) => {
  const trust = useQuery(queries.trust());
  const targets = trust.data?.roles.find(({ role }) => role === 'targets');
  return (
    <Panel title="Signature">
      <Stack gap="sm">
        <Text size="sm">
          Signed by <b>{release.publisher}</b>. The signature covers the digest of every variant, so none can be
          exchanged. It was checked when the release came here, and each device checks it again, itself, before it opens
          a file.
        </Text>
        {release.revokedAt !== null && (
          <Text size="sm" c="var(--av-bad)">
            Revoked by its publisher at {clockWords(release.revokedAt)}: no device installs it any more.
          </Text>
        )}
        <KeyValue
          items={[
            [
              'Signatures needed',
              targets === undefined ? undefined : `${targets.threshold} of ${targets.keys.length} publishers`,
            ],
            ['Valid until', targets === undefined ? undefined : clockWords(targets.expiresAt)],
            ['Counter', `${release.releaseCounter}: of two releases of a model, the newer has the higher one`],
            [
              'Rollback floor',
              release.rollbackFloor === 0
                ? '0: a device that ran it may go back to any release'
                : `${release.rollbackFloor}: a device that ran it takes no release with a lower counter any more`,
            ],
          ]}
        />
      </Stack>
    </Panel>
  );
};
