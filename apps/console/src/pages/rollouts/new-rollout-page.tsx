import { Radio, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { createRollout, previewRollout } from '../../api/generated/index.ts';
import { DryRunForm } from '../../components/dry-run-form.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { Panel } from '../../components/panel.tsx';
import { usePlacedProblems } from '../../components/placed-problems.ts';
import { ReleaseInput } from '../../components/release-input.tsx';
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

const WORDS = {
  title: 'Dry run',
  tryIt: 'Dry run',
  before:
    'A dry run says which devices each wave takes, which variant each profile gets and why, who cannot run it, and how much is to be downloaded.',
  tryFirst: 'See what it would do first: a dry run of what the form says now.',
  failed: 'Nothing was created',
};

interface FieldsProps {
  readonly form: RolloutForm;
  readonly problems: ReturnType<typeof usePlacedProblems>;
  readonly onChange: (changes: Partial<RolloutForm>) => void;
}

const WhatAndWhere = ({ form, problems, onChange }: FieldsProps) => (
  <Panel title="What, and where">
    <Stack gap="sm">
      <ReleaseInput
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
  const start = async (body: typeof spec) => {
    const { id } = await createRollout({ body });
    await client.invalidateQueries({ queryKey: ['rollouts', 'list'] });
    await navigate({ to: '/rollouts/$rolloutId', params: { rolloutId: id } });
  };
  const fields = { form, problems, onChange: change };

  return (
    <>
      <PageHeader title="New rollout" parent={{ to: '/rollouts', label: 'Rollouts' }} />
      <DryRunForm
        spec={spec}
        problems={problems}
        words={WORDS}
        command={createEquivalent(form)}
        dryRun={(body) => previewRollout({ body })}
        start={start}
        show={(preview) => <RolloutPreviewView preview={preview} />}
      >
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
      </DryRunForm>
    </>
  );
};
