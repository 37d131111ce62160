import { Autocomplete, Button, Grid, Group, Radio, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { createRollout, previewRollout } from '../../api/generated/index.ts';
import { queries } from '../../api/queries.ts';
import { Equivalent } from '../../components/equivalent.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { Panel } from '../../components/panel.tsx';
import { usePlacedProblems } from '../../components/placed-problems.ts';
import { ProblemAlert } from '../../components/problem-alert.tsx';
import { RoleButton } from '../../components/role-button.tsx';
import { SelectorInput } from '../../components/selector-input.tsx';
import { createEquivalent } from './create-equivalent.ts';
import { FurtherSettings, SettingInput } from './further-settings.tsx';
import { GateRows } from './gate-rows.tsx';
import { newRolloutForm, type OnFailure, type ProbationField, type RolloutForm, specOf } from './rollout-form.ts';
import { RolloutPreviewView } from './rollout-preview.tsx';
import { COMPARE_OVER } from './rollout-settings.ts';
import { WaveRows } from './wave-rows.tsx';

/** Errors that name no place, and the field that they are about. */
const PLACE_OF: Readonly<Record<string, string>> = {
  'release-unknown': 'release',
  'target-empty': 'target',
  'rollback-forbidden': 'onFailure',
};

const PROBATION: readonly { key: ProbationField; label: string }[] = [
  { key: 'seconds', label: 'lasts at least' },
  { key: 'minFrames', label: 'and … frames' },
  { key: 'maxErrorRate', label: 'errors, at most' },
  { key: 'maxLowConfidenceRate', label: 'unsure answers, at most' },
  { key: 'maxP95Ratio', label: 'p95, times the one before' },
];

const FAILURES: readonly { value: OnFailure; label: string; description: string }[] = [
  {
    value: 'rollback-all',
    label: 'Take it all back',
    description: 'Every device of the rollout returns to what it had.',
  },
  { value: 'rollback-wave', label: 'Take the wave back', description: 'Earlier waves keep the release.' },
  { value: 'pause', label: 'Pause', description: 'Devices keep what they have, and a person decides.' },
];

interface FieldsProps {
  readonly form: RolloutForm;
  readonly problems: ReturnType<typeof usePlacedProblems>;
  readonly onChange: (changes: Partial<RolloutForm>) => void;
}

const WhatAndWhere = ({ form, problems, onChange }: FieldsProps) => {
  const releases = useInfiniteQuery(queries.releases());
  return (
    <Panel title="What, and where">
      <Stack gap="sm">
        <Autocomplete
          label="Release"
          placeholder="meter-reader@1.1.0"
          data={releases.data?.pages.flatMap((page) => page.items.map((item) => item.release)) ?? []}
          value={form.release}
          error={problems.at('release')}
          onChange={(release) => {
            problems.changed('release');
            onChange({ release });
          }}
        />
        <SelectorInput
          label="Target"
          value={form.target}
          error={problems.at('target')}
          onChange={(target) => {
            problems.changed('target');
            onChange({ target });
          }}
        />
      </Stack>
    </Panel>
  );
};

/** Who is held back, and over which time; the latter where somebody is. */
const ControlGroup = (props: FieldsProps) => {
  const { form, problems, onChange } = props;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="sm" mt="sm">
      <TextInput
        label="Control group"
        description="held back until the last wave"
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        placeholder="none"
        value={form.control}
        error={problems.at('strategy.control')}
        onChange={(event) => {
          problems.changed('strategy.control');
          onChange({ control: event.currentTarget.value });
        }}
        autoComplete="off"
      />
      {form.control.trim() !== '' && <SettingInput setting={COMPARE_OVER} {...props} />}
    </SimpleGrid>
  );
};

const OnTheDevice = ({ form, problems, onChange }: FieldsProps) => (
  <Panel title="On each device">
    <Stack gap="sm">
      <TextInput
        w={190}
        label="Deadline"
        description="from when it is told"
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        value={form.deadline}
        error={problems.at('strategy.deadline')}
        onChange={(event) => {
          problems.changed('strategy.deadline');
          onChange({ deadline: event.currentTarget.value });
        }}
        autoComplete="off"
      />
      <Text size="sm" fw={600}>
        Probation{' '}
        <Text span size="sm" c="dimmed">
          which the device applies itself
        </Text>
      </Text>
      {problems.at('strategy.probation') !== undefined && (
        <Text size="xs" c="var(--mantine-color-error)">
          {problems.at('strategy.probation')}
        </Text>
      )}
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="sm">
        {PROBATION.map(({ key, label }) => (
          <TextInput
            key={key}
            label={label}
            value={form.probation[key]}
            error={problems.at(`strategy.probation.${key}`)}
            onChange={(event) => {
              problems.changed(`strategy.probation.${key}`);
              onChange({ probation: { ...form.probation, [key]: event.currentTarget.value } });
            }}
            autoComplete="off"
          />
        ))}
      </SimpleGrid>
    </Stack>
  </Panel>
);

/** A rollout as a form: tried by a dry run first, then started. */
export const NewRolloutPage = () => {
  const { release } = useSearch({ from: '/app/rollouts/new' });
  const navigate = useNavigate();
  const client = useQueryClient();
  const problems = usePlacedProblems(PLACE_OF);
  const [form, setForm] = useState(() => newRolloutForm(release ?? ''));
  const change = (changes: Partial<RolloutForm>) => setForm((before) => ({ ...before, ...changes }));
  const spec = specOf(form);

  const dryRun = useMutation({
    mutationFn: (body: typeof spec) => previewRollout({ body }),
    onMutate: () => problems.take(null),
    onError: problems.take,
  });
  const start = useMutation({
    mutationFn: () => createRollout({ body: spec }),
    onMutate: () => problems.take(null),
    onError: problems.take,
    onSuccess: async ({ id }) => {
      await client.invalidateQueries({ queryKey: ['rollouts', 'list'] });
      await navigate({ to: '/rollouts/$rolloutId', params: { rolloutId: id } });
    },
  });
  const previewed = dryRun.data !== undefined;
  const fresh = previewed && JSON.stringify(dryRun.variables) === JSON.stringify(spec);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    dryRun.mutate(spec);
  };
  const fields = { form, problems, onChange: change };

  return (
    <>
      <PageHeader title="New rollout" parent={{ to: '/rollouts', label: 'Rollouts' }} />
      <form onSubmit={submit} noValidate>
        <Grid gap="md">
          <Grid.Col span={{ base: 12, lg: 7 }}>
            <Stack gap="md">
              <WhatAndWhere {...fields} />
              <Panel title="Waves" note="sizes are cumulative; the last is 100%">
                <WaveRows waves={form.waves} problems={problems} onChange={(waves) => change({ waves })} />
                <ControlGroup {...fields} />
              </Panel>
              <Panel title="Gates" note="what stops a wave">
                <Stack gap="md">
                  <GateRows gates={form.gates} problems={problems} onChange={(gates) => change({ gates })} />
                  <Radio.Group
                    label="When a gate fails"
                    value={form.onFailure}
                    error={problems.at('onFailure')}
                    onChange={(onFailure) => {
                      problems.changed('onFailure');
                      change({ onFailure });
                    }}
                  >
                    <Stack gap="xs" mt="xs">
                      {FAILURES.map((each) => (
                        <Radio key={each.value} {...each} />
                      ))}
                    </Stack>
                  </Radio.Group>
                </Stack>
              </Panel>
              <OnTheDevice {...fields} />
              <FurtherSettings {...fields} />
            </Stack>
          </Grid.Col>
          <Grid.Col span={{ base: 12, lg: 5 }}>
            <Stack gap="md">
              <Panel
                title="Dry run"
                actions={
                  <Group gap="xs">
                    <Button type="submit" variant="default" size="xs" loading={dryRun.isPending}>
                      Dry run
                    </Button>
                    <RoleButton
                      size="xs"
                      loading={start.isPending}
                      refusal={fresh ? null : 'See what it would do first: a dry run of what the form says now.'}
                      onClick={() => start.mutate()}
                    >
                      Start
                    </RoleButton>
                  </Group>
                }
              >
                <Stack gap="sm">
                  <ProblemAlert error={problems.error} title="Nothing was created" />
                  {!previewed && problems.error === null && (
                    <Text size="sm" c="dimmed">
                      A dry run says which devices each wave takes, which variant each profile gets and why, who cannot
                      run it, and how much is to be downloaded.
                    </Text>
                  )}
                  {previewed && !fresh && (
                    <Text size="sm" c="var(--av-warning)">
                      The form has changed since. What follows is what it said before.
                    </Text>
                  )}
                  {previewed && <RolloutPreviewView preview={dryRun.data} />}
                </Stack>
              </Panel>
              <Panel title="In a terminal">
                <Equivalent command={createEquivalent(form)} />
              </Panel>
            </Stack>
          </Grid.Col>
        </Grid>
      </form>
    </>
  );
};
