import { Grid, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import type { ReleaseDetail } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { byteWords } from '../../components/byte-words.ts';
import { Digest } from '../../components/digest.tsx';
import { Equivalent } from '../../components/equivalent.tsx';
import { Loaded } from '../../components/loaded.tsx';
import { NavButton } from '../../components/nav-anchor.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { FieldPanel } from './field-panel.tsx';
import { LineagePanel } from './lineage-panel.tsx';
import { SignaturePanel } from './signature-panel.tsx';

const VariantsPanel = ({ release }: { release: ReleaseDetail }) => (
  <Panel title="Variants" note="each device gets the one that fits its hardware" flush>
    <Table>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Variant</Table.Th>
          <Table.Th>Runtime</Table.Th>
          <Table.Th>Format</Table.Th>
          <Table.Th>Precision</Table.Th>
          <Table.Th>Sealed size</Table.Th>
          <Table.Th>SHA-256</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {release.variants.map((variant) => (
          <Table.Tr key={variant.id}>
            <Table.Td className="mono">{variant.id}</Table.Td>
            <Table.Td>{variant.runtime}</Table.Td>
            <Table.Td>{variant.format}</Table.Td>
            <Table.Td>{variant.precision}</Table.Td>
            <Table.Td>{byteWords(variant.length)}</Table.Td>
            <Table.Td>
              <Digest value={variant.sha256} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  </Panel>
);

const LearningPanel = ({ release }: { release: ReleaseDetail }) => (
  <Panel title="Learning">
    {release.trainable ? (
      <Stack gap="sm" align="flex-start">
        <Text size="sm">
          Trainable: it brings the step graph with which devices improve its head on what they keep, in a federated
          round.
        </Text>
        <NavButton to="/federation/new" search={{ release: release.release }} variant="default" size="xs">
          Improve it in a round
        </NavButton>
      </Stack>
    ) : (
      <Text size="sm">
        Not trainable: it was pushed without a step graph. Say <code className="mono">training: auto</code> in
        model.yaml, and push the next version.
      </Text>
    )}
  </Panel>
);

const ReleaseView = ({ release }: { release: ReleaseDetail }) => (
  <>
    <PageHeader
      title={release.release}
      mono
      parent={{ to: '/models', label: 'Models' }}
      subtitle={
        <>
          published <RelativeTime at={release.publishedAt} /> by {release.publisher}
        </>
      }
    >
      <NavButton to="/rollouts/new" search={{ release: release.release }}>
        Roll it out
      </NavButton>
    </PageHeader>
    <Grid gap="md">
      <Grid.Col span={{ base: 12, lg: 7 }}>
        <Stack gap="md">
          <VariantsPanel release={release} />
          <FieldPanel field={release.field} />
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, lg: 5 }}>
        <Stack gap="md">
          <SignaturePanel release={release} />
          <LineagePanel release={release} />
          <LearningPanel release={release} />
          <Panel title="In a terminal">
            <Equivalent
              command={`aviary model show ${release.release}\naviary rollout create --release ${release.release} --dry-run`}
            />
          </Panel>
        </Stack>
      </Grid.Col>
    </Grid>
  </>
);

/** One release: what is in it, who vouches for it, where it comes from, and how it does. */
export const ReleasePage = () => {
  const { release } = useParams({ from: '/app/models/$release' });
  const query = useQuery(queries.release(release));
  return (
    <Loaded query={query} what="this release" rows={8}>
      {(detail) => <ReleaseView release={detail} />}
    </Loaded>
  );
};
