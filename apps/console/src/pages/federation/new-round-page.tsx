import { List, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { createRound, previewRound, type RoundPreview } from '../../api/generated/index.ts';
import { DryRunForm } from '../../components/dry-run-form.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { Panel } from '../../components/panel.tsx';
import { usePlacedProblems } from '../../components/placed-problems.ts';
import { ReleaseInput } from '../../components/release-input.tsx';
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

const WORDS = {
  title: 'Who could take part',
  tryIt: 'Look',
  before: 'It takes devices that are online, run this backbone, learn (--learn), and keep enough labelled samples.',
  tryFirst: 'Look who could take part first, with what the form says now.',
  failed: 'Nothing was started',
};

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
  const problems = usePlacedProblems(PLACE_OF);
  const [form, setForm] = useState<RoundForm>(() => newRoundForm(release ?? ''));
  const change = (path: string, changes: Partial<RoundForm>) => {
    problems.changed(path);
    setForm((before) => ({ ...before, ...changes }));
  };
  const spec = roundSpecOf(form);
  const start = async (body: typeof spec) => {
    const { id } = await createRound({ body });
    await client.invalidateQueries({ queryKey: ['rounds', 'list'] });
    await navigate({ to: '/federation/$roundId', params: { roundId: id } });
  };

  return (
    <>
      <PageHeader title="New round" parent={{ to: '/federation', label: 'Federation' }} />
      <DryRunForm
        spec={spec}
        problems={problems}
        words={WORDS}
        command={createRoundEquivalent(form)}
        dryRun={(body) => previewRound({ body })}
        start={start}
        show={(preview) => <PreviewView preview={preview} />}
      >
        <Panel title="What is improved, and where">
          <Stack gap="sm">
            <ReleaseInput
              description="A trainable one; its head is what learns"
              offers={({ trainable }) => trainable}
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
                  onChange={(event) => change(path, { values: { ...form.values, [path]: event.currentTarget.value } })}
                  autoComplete="off"
                />
              ))}
            </SimpleGrid>
          </Panel>
        ))}
      </DryRunForm>
    </>
  );
};
