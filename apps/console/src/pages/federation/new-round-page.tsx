import { Autocomplete, Button, Grid, Group, List, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { createRound, previewRound, type RoundPreview } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { Equivalent } from '../../components/equivalent.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { Panel } from '../../components/panel.tsx';
import { usePlacedProblems } from '../../components/placed-problems.ts';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { SelectorInput } from '../../components/selector-input.tsx';
import { deviceCount } from '../../components/wave-portions.ts';
import {
  createRoundEquivalent,
  newRoundForm,
  PARTICIPATION,
  PHASE_TIMES,
  type RoundForm,
  roundSpecOf,
  TRAINING,
} from './round-form.ts';

/** Errors that name no place, and the field that they are about. */
const PLACE_OF: Readonly<Record<string, string>> = {
  'release-unknown': 'release',
  'selector-invalid': 'target',
  'target-empty': 'target',
};

const GROUPS = [
  { title: 'Who takes part', fields: PARTICIPATION },
  { title: 'Deadlines', fields: PHASE_TIMES },
  { title: 'Training', fields: TRAINING },
] as const;

const PreviewView = ({ preview }: { preview: RoundPreview }) => (
  <Stack gap="xs">
    <Text size="sm">
      <b>
        {preview.eligible.toLocaleString('en')} of {deviceCount(preview.devices)}
      </b>{' '}
      could take part, with {preview.samples.toLocaleString('en')} labelled samples. Nothing was started.
    </Text>
    {preview.words.length > 0 && (
      <>
        <Text size="sm">The others:</Text>
        <List size="sm">
          {preview.words.map((words) => (
            <List.Item key={words}>{words}</List.Item>
          ))}
        </List>
      </>
    )}
  </Stack>
);

/** A federated round as a form: who could take part is shown first, then it is started. */
export const NewRoundPage = () => {
  const { release } = useSearch({ from: '/app/federation/new' });
  const navigate = useNavigate();
  const client = useQueryClient();
  const releases = useInfiniteQuery(queries.releases());
  const problems = usePlacedProblems(PLACE_OF);
  const [form, setForm] = useState<RoundForm>(() => newRoundForm(release ?? ''));
  const change = (path: string, changes: Partial<RoundForm>) => {
    problems.changed(path);
    setForm((before) => ({ ...before, ...changes }));
  };
  const spec = roundSpecOf(form);

  const preview = useMutation({
    mutationFn: (body: typeof spec) => previewRound({ body }),
    onMutate: () => problems.take(null),
    onError: problems.take,
  });
  const start = useMutation({
    mutationFn: () => createRound({ body: spec }),
    onMutate: () => problems.take(null),
    onError: problems.take,
    onSuccess: async ({ id }) => {
      await client.invalidateQueries({ queryKey: ['rounds', 'list'] });
      await navigate({ to: '/federation/$roundId', params: { roundId: id } });
    },
  });
  const previewed = preview.data !== undefined;
  const fresh = previewed && JSON.stringify(preview.variables) === JSON.stringify(spec);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    preview.mutate(spec);
  };

  return (
    <>
      <PageHeader title="New round" parent={{ to: '/federation', label: 'Federation' }} />
      <form onSubmit={submit} noValidate>
        <Grid gap="md">
          <Grid.Col span={{ base: 12, lg: 7 }}>
            <Stack gap="md">
              <Panel title="What is improved, and where">
                <Stack gap="sm">
                  <Autocomplete
                    label="Release"
                    description="A trainable one; its head is what learns"
                    placeholder="meter-reader@1.1.0"
                    data={
                      releases.data?.pages.flatMap(({ items }) =>
                        items.flatMap((item) => (item.trainable ? [item.release] : [])),
                      ) ?? []
                    }
                    value={form.release}
                    error={problems.at('release')}
                    onChange={(value) => change('release', { release: value })}
                  />
                  <SelectorInput
                    label="Target"
                    value={form.target}
                    error={problems.at('target')}
                    onChange={(target) => change('target', { target })}
                  />
                </Stack>
              </Panel>
              {GROUPS.map(({ title, fields }) => (
                <Panel key={title} title={title}>
                  <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="sm">
                    {fields.map(({ path, label, description }) => (
                      <TextInput
                        key={path}
                        label={label}
                        description={description}
                        inputWrapperOrder={['label', 'input', 'description', 'error']}
                        value={form.values[path] ?? ''}
                        error={problems.at(path)}
                        onChange={(event) =>
                          change(path, { values: { ...form.values, [path]: event.currentTarget.value } })
                        }
                        autoComplete="off"
                      />
                    ))}
                  </SimpleGrid>
                </Panel>
              ))}
            </Stack>
          </Grid.Col>
          <Grid.Col span={{ base: 12, lg: 5 }}>
            <Stack gap="md">
              <Panel
                title="Who could take part"
                actions={
                  <Group gap="xs">
                    <Button type="submit" variant="default" size="xs" loading={preview.isPending}>
                      Look
                    </Button>
                    <RoleButton
                      size="xs"
                      loading={start.isPending}
                      refusal={fresh ? null : 'Look who could take part first, with what the form says now.'}
                      onClick={() => start.mutate()}
                    >
                      Start
                    </RoleButton>
                  </Group>
                }
              >
                <Stack gap="sm">
                  <ProblemAlert error={problems.error} title="Nothing was started" />
                  {!previewed && problems.error === null && (
                    <Text size="sm" c="dimmed">
                      It takes devices that are online, run this backbone, learn (--learn), and keep enough labelled
                      samples.
                    </Text>
                  )}
                  {previewed && !fresh && (
                    <Text size="sm" c="var(--av-warning)">
                      The form has changed since. What follows is what it said before.
                    </Text>
                  )}
                  {previewed && <PreviewView preview={preview.data} />}
                </Stack>
              </Panel>
              <Panel title="In a terminal">
                <Equivalent command={createRoundEquivalent(form)} />
              </Panel>
            </Stack>
          </Grid.Col>
        </Grid>
      </form>
    </>
  );
};
