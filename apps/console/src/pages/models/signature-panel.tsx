import { Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReleaseDetail } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { Digest } from '../../components/digest.tsx';
import { KeyValue } from '../../components/key-value.tsx';
import { Panel } from '../../components/panel.tsx';
import { clockWords } from '../../components/relative-words.ts';

/** Who vouches for a release, and what that is worth, in plain words. */
export const SignaturePanel = ({ release }: { release: ReleaseDetail }) => {
  const publishers = useQuery(queries.publishers());
  const keyId = release.statement.signatures[0]?.keyid;
  const registered = publishers.data?.items.find((publisher) => publisher.keyId === keyId);
  return (
    <Panel title="Signature">
      <Stack gap="sm">
        <Text size="sm">
          Signed by <b>{release.publisher}</b>. The signature covers the digest of every variant, so none can be
          exchanged. It was checked when the release came here, and each device checks it again, itself, before it opens
          a file.
        </Text>
        <KeyValue
          items={[
            ['Key', keyId === undefined ? undefined : <Digest key="key" value={keyId} length={16} />],
            ['Key registered', registered === undefined ? undefined : clockWords(registered.createdAt)],
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
