import { Button, Group, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { queries } from '../../api/queries.ts';
import { EmptyState } from '../../components/empty-state.tsx';
import { Loaded } from '../../components/loaded.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { Panel } from '../../components/panel.tsx';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { AskingBoards } from './asking-boards.tsx';
import { selectorOf, selectorProblem } from './device-filter.ts';
import { DeviceTable } from './device-table.tsx';
import { FilterBar } from './filter-bar.tsx';
import { JoinDialog } from './join-dialog.tsx';

const PAGE = 100;
const route = getRouteApi('/app/devices');

export const DevicesPage = () => {
  const filter = route.useSearch();
  const navigate = route.useNavigate();
  const [joining, { open, close }] = useDisclosure(false);
  const problem = selectorProblem(filter.selector);
  const selector = problem === undefined ? selectorOf(filter) : undefined;
  const devices = useQuery({
    ...queries.devices({
      limit: PAGE,
      ...(selector === undefined ? {} : { selector }),
      ...(filter.after === undefined ? {} : { cursor: filter.after }),
    }),
    enabled: problem === undefined,
  });
  const { data: overview } = useQuery(queries.overview());
  const { error } = devices;
  const next = devices.data?.nextCursor ?? null;
  const profiles = (devices.data?.items ?? []).flatMap(({ profile }) => (profile === null ? [] : [profile]));

  const join = (
    <RoleButton onClick={open} leftSection={<IconPlus size={16} aria-hidden />}>
      Let a device join
    </RoleButton>
  );
  return (
    <>
      <PageHeader
        title="Devices"
        subtitle={
          overview === undefined
            ? 'The boards of this fleet'
            : `${overview.devices.total} in the fleet · ${overview.devices.online} online`
        }
      >
        {join}
      </PageHeader>
      <AskingBoards />
      <FilterBar
        filter={filter}
        selectorError={problem}
        profiles={profiles}
        onChange={(search) => void navigate({ search })}
      />
      {error !== null && devices.data !== undefined && <ProblemAlert error={error} title="The list below may be old" />}
      {problem === undefined && (
        <Panel
          title={selector === undefined ? 'All devices' : 'Devices that match'}
          note={devices.isPlaceholderData ? 'reading …' : undefined}
          flush
        >
          <Loaded query={devices} what="the devices" rows={10}>
            {({ items }) =>
              items.length > 0 ? (
                <DeviceTable devices={items} />
              ) : selector === undefined ? (
                <EmptyState
                  title="No device has joined yet"
                  commands={['aviary device enroll-token', 'aviary-agent join --token TOKEN']}
                  action={join}
                >
                  Make a token here or with the first command, then run the second one on the board. It appears here by
                  itself.
                </EmptyState>
              ) : (
                <EmptyState
                  title="No device matches"
                  action={
                    <Button variant="default" onClick={() => void navigate({ search: {} })}>
                      Show all
                    </Button>
                  }
                >
                  Nothing in the fleet is <code className="mono">{selector}</code>.
                </EmptyState>
              )
            }
          </Loaded>
        </Panel>
      )}
      {(filter.after !== undefined || next !== null) && (
        <Group justify="space-between" mt="md">
          <Text size="sm" c="dimmed">
            {PAGE} devices on a page, in order of their id
          </Text>
          <Group gap="xs">
            <Button
              variant="default"
              disabled={filter.after === undefined}
              onClick={() => void navigate({ search: ({ after: _, ...rest }) => rest })}
            >
              First page
            </Button>
            <Button
              variant="default"
              disabled={next === null}
              onClick={() => next !== null && void navigate({ search: { ...filter, after: next } })}
            >
              Next page
            </Button>
          </Group>
        </Group>
      )}
      <JoinDialog opened={joining} onClose={close} />
    </>
  );
};
