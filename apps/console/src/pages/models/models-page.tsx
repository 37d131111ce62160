import { Stack, Table, Text } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReleaseSummary } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { EmptyState } from '../../components/empty-state.tsx';
import { Loaded } from '../../components/loaded.tsx';
import { MoreButton } from '../../components/more-button.tsx';
import { NavAnchor } from '../../components/nav-anchor.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { Panel } from '../../components/panel.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';

/** Releases by their model; models by their newest release, releases newest first. */
const byModel = (releases: readonly ReleaseSummary[]): [string, ReleaseSummary[]][] => {
  const models = new Map<string, ReleaseSummary[]>();
  for (const release of releases) models.set(release.model, [...(models.get(release.model) ?? []), release]);
  return [...models];
};

const ReleaseRow = ({ release }: { release: ReleaseSummary }) => (
  <Table.Tr>
    <Table.Td>
      <NavAnchor to="/models/$release" params={{ release: release.release }} className="mono">
        {release.version}
      </NavAnchor>
    </Table.Td>
    <Table.Td>{release.variants.map(({ id }) => id).join(', ')}</Table.Td>
    <Table.Td>{release.publisher}</Table.Td>
    <Table.Td>{release.trainable ? 'yes' : 'no'}</Table.Td>
    <Table.Td>
      {release.lineage === null ? (
        <Text span size="sm" c="dimmed">
          made by its publisher
        </Text>
      ) : (
        <NavAnchor to="/federation/$roundId" params={{ roundId: release.lineage.round }}>
          learned by {release.lineage.devices.toLocaleString('en')} devices
        </NavAnchor>
      )}
    </Table.Td>
    <Table.Td c="dimmed">
      <RelativeTime at={release.publishedAt} />
    </Table.Td>
  </Table.Tr>
);

const NoModels = () => (
  <EmptyState
    title="No model yet"
    commands={['aviary key init --name "vision team"', 'aviary model push ./meter-reader']}
  >
    A model is a folder with a model.yaml. Make the key with which you sign once, then push: the folder is signed and
    sealed on your machine, and only sealed bytes come here.
  </EmptyState>
);

/** All models with their releases. */
export const ModelsPage = () => {
  const query = useInfiniteQuery(queries.releases());
  return (
    <>
      <PageHeader title="Models" subtitle="Signed and sealed by their publishers; never changed after" />
      <Loaded query={query} what="the models">
        {({ pages }) => {
          const models = byModel(pages.flatMap((page) => page.items));
          if (models.length === 0) {
            return (
              <Panel title="Releases">
                <NoModels />
              </Panel>
            );
          }
          return (
            <Stack gap="md">
              {models.map(([model, releases]) => (
                <Panel key={model} title={model} flush>
                  <Table highlightOnHover>
                    <Table.Thead>
                      <Table.Tr>
                        <Table.Th>Version</Table.Th>
                        <Table.Th>Variants</Table.Th>
                        <Table.Th>Signed by</Table.Th>
                        <Table.Th>Trainable</Table.Th>
                        <Table.Th>Where from</Table.Th>
                        <Table.Th>Published</Table.Th>
                      </Table.Tr>
                    </Table.Thead>
                    <Table.Tbody>
                      {releases.map((release) => (
                        <ReleaseRow key={release.release} release={release} />
                      ))}
                    </Table.Tbody>
                  </Table>
                </Panel>
              ))}
              <MoreButton query={query} what="releases" />
            </Stack>
          );
        }}
      </Loaded>
    </>
  );
};
